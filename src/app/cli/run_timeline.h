#pragma once
// A run drawn as a timeline: a row for each step, with a bar at its place in time.

#include <string>
#include <vector>

#include "app/cli/invocation.h"
#include "app/cli/terminal.h"
#include "app/cli/views.h"

namespace slipway::app::cli {

struct Canvas {
  std::size_t columns = 80;
  bool unicode = true;  // blocks and marks; else what every terminal has
  Style style{false};
};
// As the locale and TERM say, by the order in which C looks (LC_ALL, LC_CTYPE, LANG).
bool has_unicode(const Invocation& invocation);

// An axis, then the steps in their order. A bar is solid while something was done, shaded while it waits for its next
// attempt or its time, and hollow where the step has not begun. What it took and what there is to say stands behind.
// `frame` turns the mark of what is under way. No line is wider than the canvas.
std::vector<std::string> timeline_lines(const RunView& run, base::Instant now, int frame, const Canvas& canvas);

}  // namespace slipway::app::cli
