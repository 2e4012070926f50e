/** The module of all widgets of a kernel that are shown by themselves: it gets their code, once for a page. */

import { loadCode, type Model, show } from "../panels/shared-code";

export default {
  initialize: ({ model }: { model: Model }) => loadCode(model),
  render: show,
};
