#pragma once
// A run as it happens: following it over lost connections, and showing its steps.

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "app/cli/hub_client.h"
#include "app/cli/terminal.h"
#include "app/cli/views.h"

namespace slipway::app::cli {

// Calls `on_change` with the run at first and after each change, `on_tick` now and then in between, and returns the run
// at its end, as the API answered it. The journal's stream tells when to look; what is shown is always what the hub
// says of the whole run. A hub that goes away meanwhile is waited for (kPatience without any sign of it).
json::Value follow_run(HubClient& hub, const base::Clock& clock, const std::string& run_id,
                       const std::function<void(const RunView&)>& on_change, const std::function<void()>& on_tick);

// What is said of a step in a line of its own. `frame` turns the mark of one that is under way.
struct StepWords {
  std::string mark;
  std::string elapsed;
  std::string remark;
};
StepWords step_words(const StepView& step, base::Instant now, int frame, const Style& style, bool unicode);
// What is new since `before` (empty: everything that has begun), one line each: for logs.
std::vector<std::string> progress_changes(const std::optional<RunView>& before, const RunView& after);
// "workspace.create failed at create-machine after 2.1s: QUOTA_EXCEEDED: …"
std::string outcome_line(const RunView& run);

// Draws the timeline in place on a terminal, else writes a line for each change.
class RunProgress {
 public:
  RunProgress(std::ostream& out, bool in_place, bool unicode, const Style& style, const base::Clock& clock)
      : out_(out), in_place_(in_place), unicode_(unicode), style_(style), clock_(clock) {}
  void show(const RunView& run);
  void tick();

 private:
  void draw();

  std::ostream& out_;
  const bool in_place_;
  const bool unicode_;
  const Style style_;
  const base::Clock& clock_;
  std::optional<RunView> run_;
  std::size_t lines_drawn_ = 0;
  int frame_ = 0;
};

}  // namespace slipway::app::cli
