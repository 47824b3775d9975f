"""From two folders of images to a scorecard: footing, measuring, scores, controls, verdict."""
