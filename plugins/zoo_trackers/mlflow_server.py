"""MLflow: a run of an experiment for each run, by the client, which leaves MLflow's global state alone."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from zoo_trackers.spec import MlflowSpec
from zoo_trackers.tracker import RunInfo, Tracker, require

TAG = "zoo.id"
MAX_PARAMS, MAX_LENGTH = 100, 500
"""Most parameters in a request, and the longest value that all servers take."""
STATES = {"done": "FINISHED", "pruned": "KILLED", "interrupted": "KILLED"}


class Mlflow(Tracker):
    """Log runs to an MLflow server or database."""

    def __init__(self, spec: MlflowSpec) -> None:
        super().__init__()
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self.mlflow, self.spec = require("mlflow", "mlflow"), spec
        self.client: Any = None
        self.experiment = ""

    def connect(self) -> None:
        """Connect to the server, and find or create the experiment."""
        self.client = self.mlflow.MlflowClient(tracking_uri=self.spec.uri or None)
        found = self.client.get_experiment_by_name(self.spec.experiment)
        self.experiment = found.experiment_id if found else self.client.create_experiment(self.spec.experiment)

    def open(self, info: RunInfo) -> Any:
        """Open the run with this id, or create it with its options as parameters."""
        if self.client is None:
            self.connect()
        found = self.client.search_runs([self.experiment], f"tags.`{TAG}` = '{info.id}'", max_results=1)
        if found:
            self.client.update_run(found[0].info.run_id, status="RUNNING")
            return found[0].info.run_id
        tags = {TAG: info.id, "zoo.entry": info.entry} | ({"zoo.group": info.group} if info.group else {})
        run = self.client.create_run(self.experiment, tags=tags, run_name=info.name).info.run_id
        params = [
            self.mlflow.entities.Param(legal(name), str(value)[:MAX_LENGTH]) for name, value in info.config.items()
        ]
        for start in range(0, len(params), MAX_PARAMS):
            self.client.log_batch(run, params=params[start : start + MAX_PARAMS])
        return run

    def log(self, handle: Any, figures: dict[str, float], step: int) -> None:
        """Log metrics in one request."""
        now = int(time.time() * 1000)
        self.client.log_batch(
            handle, [self.mlflow.entities.Metric(legal(name), value, now, step) for name, value in figures.items()]
        )

    def finish(self, handle: Any, state: str) -> None:
        """Record how the run ended."""
        self.client.set_tag(handle, "zoo.state", state)
        self.client.set_terminated(handle, STATES.get(state, "FAILED"))


def legal(name: str) -> str:
    """Replace the characters of a name that MLflow refuses."""
    return re.sub(r"[^\w./ -]", "_", name)
