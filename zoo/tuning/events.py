"""Send what happens in a study to callbacks, as events."""

from __future__ import annotations

from pathlib import Path

from zoo.registry.events import StudyEnded, TrialEnded, TrialReported, TrialStarted
from zoo.training.events import Events, short_id
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.study import LIVE_STATES, Study, Trial
from zoo.tuning.study_folder import is_study, read_about


class TrialSender(TuneCallback):
    """Pass everything on to another callback of a study, and send its trials as events."""

    def __init__(self, callback: TuneCallback, events: Events) -> None:
        self.callback, self.events = callback, events
        self.seen: dict[Path, tuple[str, int]] = {}
        """State and epoch of each trial as they were last sent, by its run folder."""
        self.folder, self.begun = Path(), ""

    def __reduce__(self) -> tuple[type[TuneCallback], tuple[()]]:
        """Pickle as a callback that does nothing, since Ray Tune pickles callbacks, and trackers hold connections."""
        return TuneCallback, ()

    def begin(self, study: Study, parallel: int) -> None:
        """Remember which trials ended before."""
        ended = [trial for trial in (*study.trials, *study.confirmed) if trial.state not in LIVE_STATES]
        self.seen |= {trial.run: (trial.state, trial.epoch) for trial in ended}
        # The trainings that confirm the best trials have a folder in that of the study.
        self.folder = study.path if is_study(study.path) else study.path.parent
        self.begun = str(read_about(self.folder).get("begun"))
        self.callback.begin(study, parallel)

    def update(self, study: Study, trial: Trial) -> None:
        """Pass a change of a trial on, and send what is new about it."""
        self.callback.update(study, trial)
        self.send(study, trial)

    def send(self, study: Study, trial: Trial) -> None:
        """Send that a trial starts, has ended an epoch, or has ended."""
        state, epoch = self.seen.get(trial.run, ("", 0))
        if trial.state == "waiting" or (state and state not in LIVE_STATES):
            return
        about = self.folder, trial.number, trial.run
        if not state:
            name = str(study.entry.get("name", ""))
            self.events.send(TrialStarted(*about, short_id(trial.run, self.begun), name, trial.config))
            epoch = trial.epoch if trial.attempts > 1 else 0
        if trial.epoch > epoch:
            self.events.send(TrialReported(*about, trial.epoch, trial.loss))
        if trial.state not in LIVE_STATES:
            result = trial.loss, trial.objective, trial.metrics
            self.events.send(TrialEnded(*about, trial.state, *result, trial.parameters, trial.seconds, trial.reason))
        self.seen[trial.run] = trial.state, trial.epoch

    def tick(self) -> None:
        """Pass the passing of time on."""
        self.callback.tick()

    def note(self, text: str) -> None:
        """Pass a message on."""
        self.callback.note(text)

    def end(self, study: Study) -> None:
        """Pass the end on, and send the result."""
        self.callback.end(study)
        best = study.best
        number, run = (best.number, best.run) if best else (None, None)
        self.events.send(StudyEnded(study.path, study.state, study.counts, number, run))
