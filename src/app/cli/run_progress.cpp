#include "app/cli/run_progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "app/cli/run_timeline.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

constexpr std::array<std::string_view, 10> kSpinner{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
constexpr std::array<std::string_view, 4> kAsciiSpinner{"|", "/", "-", "\\"};

std::string step_mark(const StepView& step, int frame, const Style& style, bool unicode) {
  const std::string_view status = step.status;
  if (step.taken_over.value_or(false)) return style.green(unicode ? "↷" : ">");
  if (status == "completed" || status == "compensated") return style.green(unicode ? "✓" : "+");
  if (status == "failed" || status == "compensation_failed") return style.red(unicode ? "✗" : "x");
  if (status == "cancelled") return style.red(unicode ? "–" : "-");
  if (status == "pending" || status == "skipped") return style.dim(unicode ? "·" : ".");
  const auto turn = std::size_t(frame);
  return style.cyan(unicode ? kSpinner[turn % kSpinner.size()] : kAsciiSpinner[turn % kAsciiSpinner.size()]);
}

bool is_under_way(const StepView& step) {
  return step.status == "running" || step.status == "waiting" || step.status == "compensating";
}

// A step that looks again and again until something is ready has many attempts; once it is done they tell nothing.
bool is_repeated(const StepView& step) { return step.attempts.value_or(1) > 1 && step.status != "completed"; }

std::string elapsed(const StepView& step, base::Instant now) {
  if (step.duration_ms) return base::format_duration(*step.duration_ms);
  if (!is_under_way(step) || !step.started_at || now < *step.started_at) return {};
  // Tenths are enough for what is still counting; more only flickers.
  return base::format_duration((now - *step.started_at) / 100 * 100);
}

std::string describe(const ErrorView& error) {
  if (error.message.empty()) return printable(error.code);
  return printable(error.code + ": " + error.message);
}

// What a person should know of the step besides its name: repeated attempts, what went wrong, what comes next.
std::string remark(const StepView& step, base::Instant now) {
  std::string text;
  const auto append = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (step.taken_over.value_or(false)) append("taken over");
  if (step.status == "compensating") append("undoing");
  if (step.status == "compensated") append("undone");
  if (step.status == "compensation_failed") append("could not be undone");
  if (step.status == "cancelled" || step.status == "skipped") append(step.status);
  if (is_repeated(step)) append("attempt " + std::to_string(*step.attempts));
  if (step.next_attempt_at && is_under_way(step) && *step.next_attempt_at > now)
    append("next in " + base::format_duration((*step.next_attempt_at - now) / 100 * 100));
  if (step.error) append(describe(*step.error));
  if (is_under_way(step) && step.kind == "signal") append("waits for this signal");
  if (step.child_run_id) append("run " + printable(*step.child_run_id));
  return text;
}

const StepView* find_step(const std::optional<RunView>& run, const std::string& name) {
  if (!run) return nullptr;
  const auto found = std::ranges::find(run->steps, name, &StepView::name);
  return found == run->steps.end() ? nullptr : &*found;
}

bool has_changed(const StepView* before, const StepView& after) {
  if (before == nullptr) return after.status != "pending";
  return before->status != after.status || before->attempts != after.attempts ||
         (after.error && (!before->error || before->error->message != after.error->message));
}

}  // namespace

StepWords step_words(const StepView& step, base::Instant now, int frame, const Style& style, bool unicode) {
  return {.mark = step_mark(step, frame, style, unicode),
          .elapsed = step.taken_over.value_or(false) ? "" : elapsed(step, now),
          .remark = remark(step, now)};
}

std::vector<std::string> progress_changes(const std::optional<RunView>& before, const RunView& after) {
  std::vector<std::string> lines;
  for (const StepView& step : after.steps) {
    if (!has_changed(find_step(before, step.name), step)) continue;
    std::string line = printable(step.name) + ": " + printable(step.status);
    if (is_repeated(step)) line += ", attempt " + std::to_string(*step.attempts);
    if (step.duration_ms) line += " in " + base::format_duration(*step.duration_ms);
    if (step.error) line += ", " + describe(*step.error);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string outcome_line(const RunView& run) {
  std::string line = printable(run.type) + " " + printable(run.status);
  if (run.error && run.error->step) line += " at " + printable(*run.error->step);
  if (run.duration_ms)
    line += (run.status == "completed" ? " in " : " after ") + base::format_duration(*run.duration_ms);
  if (run.error) line += ": " + describe(*run.error);
  return line;
}

void RunProgress::show(const RunView& run) {
  if (in_place_) {
    run_ = run;
    draw();
    return;
  }
  for (const std::string& line : progress_changes(run_, run)) out_ << line << '\n';
  out_.flush();
  run_ = run;
}

void RunProgress::tick() {
  if (!in_place_ || !run_) return;
  ++frame_;
  draw();
}

void RunProgress::draw() {
  const TerminalSize size = terminal_size(STDERR_FILENO);
  std::vector<std::string> lines = timeline_lines(
      *run_, clock_.now(), frame_, {.columns = std::size_t(size.columns), .unicode = unicode_, .style = style_});
  // Lines that left the screen cannot be drawn over; the last ones are those that change.
  const std::size_t room = std::size_t(std::max(size.rows - 1, 1));
  if (lines.size() > room) lines.erase(lines.begin(), lines.end() - std::ptrdiff_t(room));
  std::string text;
  if (lines_drawn_ > 0) text += "\x1b[" + std::to_string(lines_drawn_) + "A";
  for (const std::string& line : lines) text += "\r" + line + "\x1b[K\n";
  text += "\x1b[J";
  lines_drawn_ = lines.size();
  out_ << text << std::flush;
}

json::Value follow_run(HubClient& hub, const base::Clock& clock, const std::string& run_id,
                       const std::function<void(const RunView&)>& on_change, const std::function<void()>& on_tick) {
  const std::string target = "/v1/workflows/runs/" + net::percent_encode(run_id);
  json::Value latest;
  const auto look = [&] {  // true while the run goes on
    latest = hub.get(target, Patience::retry);
    const RunView run = read_view<RunView>(latest);
    on_change(run);
    return !run.has_ended();
  };
  std::string last_event_id;
  bool goes_on = look();
  for (int attempt = 0; goes_on; ++attempt) {
    try {
      hub.stream(target + "/events", last_event_id,
                 {.on_events =
                      [&](const std::vector<net::ServerSentEvent>& events) {
                        if (!events.back().id.empty()) last_event_id = events.back().id;
                        attempt = 0;
                        return goes_on = look();
                      },
                  .on_idle =
                      [&] {
                        on_tick();
                        return true;
                      }});
    } catch (const base::Error& error) {
      if (error.code() != kHubUnreachable && error.error_class() != base::ErrorClass::transient) throw;
    }
    if (!goes_on) break;
    hub.wait_before_retry(clock.now(), attempt);
    goes_on = look();  // throws when the hub stays away
  }
  return latest;
}

}  // namespace slipway::app::cli
