"""The live bench: edit the parameters of a neuron model by hand and watch its response."""
