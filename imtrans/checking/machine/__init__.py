"""Whether this machine is fit for training: what is here, what is missing, what to choose."""
