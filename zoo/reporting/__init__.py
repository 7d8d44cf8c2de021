"""Reports: one self-contained page of HTML about a run, a study or a comparison."""
