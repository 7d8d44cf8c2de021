"""Many trials: study, ledger, storage, Ray engine and workers."""
