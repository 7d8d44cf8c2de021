"""Studies of many trials: ledger, storage, the engine on Ray, and its workers."""
