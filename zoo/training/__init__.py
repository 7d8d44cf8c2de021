"""Training: session, loop, stepper, checkpoints, schedules, callbacks, devices and benchmark."""
