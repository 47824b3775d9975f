"""Where disc, cup, fovea and lesions lie in a photograph."""
