// Generated from deepstrf/models/registry.py by `make bundle`.

export const OUTPUT_CURVES = {
  softplus: {"formula": "log(1 + exp(β x)) / β + b", "columns": [{"name": "beta", "meaning": "sharpness", "note": "per a.u.", "unit": "", "symbol": "β"}, {"name": "b", "meaning": "baseline", "note": "rate", "unit": "", "symbol": "b"}]},
  sigmoid: {"formula": "b σ((x − c) / d) + a", "columns": [{"name": "a", "meaning": "baseline", "note": "rate", "unit": "", "symbol": "a"}, {"name": "b", "meaning": "range", "note": "rate", "unit": "", "symbol": "b"}, {"name": "c", "meaning": "threshold", "note": "a.u.", "unit": "", "symbol": "c"}, {"name": "d", "meaning": "width", "note": "a.u.", "unit": "", "symbol": "d"}]},
  double_exponential: {"formula": "a exp(−exp(k x − s)) + b", "columns": [{"name": "a", "meaning": "range", "note": "rate", "unit": "", "symbol": "a"}, {"name": "b", "meaning": "baseline", "note": "rate", "unit": "", "symbol": "b"}, {"name": "k", "meaning": "gain", "note": "per a.u., negative where the curve rises", "unit": "", "symbol": "k"}, {"name": "s", "meaning": "offset", "note": "gain times threshold", "unit": "", "symbol": "s"}]},
  plain_identity: {"formula": "", "columns": []},
  plain_relu: {"formula": "", "columns": []},
  plain_sigmoid: {"formula": "", "columns": []},
  plain_softplus: {"formula": "", "columns": []},
  plain_tanh: {"formula": "", "columns": []},
} as const;

export const PREFILTERS = {
  none: {"columns": []},
  adaptrans: {"columns": [{"name": "tau_on_ms", "meaning": "ON", "note": "time constant of adaptation in ms", "unit": "ms", "symbol": "τ"}, {"name": "tau_off_ms", "meaning": "OFF", "note": "time constant of adaptation in ms", "unit": "ms", "symbol": "τ"}, {"name": "w", "meaning": "w", "note": "weight of the past", "unit": "", "symbol": "w"}]},
  ic: {"columns": [{"name": "tau_ms", "meaning": "", "note": "time constant of adaptation in ms", "unit": "ms", "symbol": "τ"}]},
  plasticity: {"columns": [{"name": "tau_ms", "meaning": "recovery", "note": "time constant of adaptation in ms", "unit": "ms", "symbol": "τ"}, {"name": "u", "meaning": "strength", "note": "share used up, per bin and unit of the spectrogram", "unit": "", "symbol": "u"}]},
} as const;

export const KERNELS = {
  gaussians: {"columns": [{"name": "band", "meaning": "centre", "note": "", "unit": "bands", "symbol": "band"}, {"name": "frame", "meaning": "centre", "note": "", "unit": "frames", "symbol": "frame"}, {"name": "sigma_bands", "meaning": "width", "note": "", "unit": "bands", "symbol": "sigma_bands"}, {"name": "sigma_frames", "meaning": "width", "note": "", "unit": "frames", "symbol": "sigma_frames"}, {"name": "weight", "meaning": "weight", "note": "", "unit": "", "symbol": "weight"}]},
  separable: {"columns": [{"name": "factor_f", "meaning": "frequency profile", "note": "", "unit": "", "symbol": "factor_f"}, {"name": "factor_t", "meaning": "time profile", "note": "", "unit": "", "symbol": "factor_t"}]},
  full: {"columns": [{"name": "kernel", "meaning": "weights", "note": "", "unit": "", "symbol": "kernel"}]},
} as const;
