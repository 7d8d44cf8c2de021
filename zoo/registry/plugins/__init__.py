"""Discovery: what is installed, one plugin at a time; third parties are probed in processes of their own."""
