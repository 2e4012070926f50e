// Generated from deepstrf/models/registry.py by `make bundle`.
export const OUTPUT_CURVES = {
  softplus: {"formula": "log(1 + exp(β x)) / β + b", "columns": [{"name": "beta", "symbol": "β", "meaning": "sharpness", "note": "per a.u."}, {"name": "b", "symbol": "b", "meaning": "baseline", "note": "rate"}]},
  sigmoid: {"formula": "b σ((x − c) / d) + a", "columns": [{"name": "a", "symbol": "a", "meaning": "baseline", "note": "rate"}, {"name": "b", "symbol": "b", "meaning": "range", "note": "rate"}, {"name": "c", "symbol": "c", "meaning": "threshold", "note": "a.u."}, {"name": "d", "symbol": "d", "meaning": "width", "note": "a.u."}]},
  double_exponential: {"formula": "a exp(−exp(k x − s)) + b", "columns": [{"name": "a", "symbol": "a", "meaning": "range", "note": "rate"}, {"name": "b", "symbol": "b", "meaning": "baseline", "note": "rate"}, {"name": "k", "symbol": "k", "meaning": "gain", "note": "per a.u., negative where the curve rises"}, {"name": "s", "symbol": "s", "meaning": "offset", "note": "gain times threshold"}]},
  plain_identity: {"formula": "", "columns": []},
  plain_relu: {"formula": "", "columns": []},
  plain_sigmoid: {"formula": "", "columns": []},
  plain_softplus: {"formula": "", "columns": []},
  plain_tanh: {"formula": "", "columns": []},
} as const;
