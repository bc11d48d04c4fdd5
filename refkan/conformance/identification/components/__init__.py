"""Tables of what a layer may compute instead: each line predicts results, and adding a defect is adding a line."""
