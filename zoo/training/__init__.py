"""The only training loop: session, stepper, checkpoints, schedules, callbacks, devices, benchmark."""
