#include "app/cli/job_progress.h"

#include "app/cli/run_progress.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {
namespace {

struct LogLineView {
  std::string level;
  std::string stage;
  std::string output;
  std::optional<std::int64_t> left_out;
};
SLIPWAY_JSON_CAMEL(LogLineView, level, stage, output, left_out)

struct LogEndView {
  std::string status;
};
SLIPWAY_JSON_CAMEL(LogEndView, status)

struct PendingView {
  std::string reason;
  std::string explanation;
};
SLIPWAY_JSON_CAMEL(PendingView, reason, explanation)

struct WaitingJobView {
  std::optional<PendingView> pending;
};
SLIPWAY_JSON_CAMEL(WaitingJobView, pending)

struct JobIdView {
  std::string id;
};
SLIPWAY_JSON_CAMEL(JobIdView, id)

constexpr std::string_view kNextInLine = "next";  // it is about to be taken: not worth a word
constexpr base::Duration kLookEvery{200};

std::string job_target(const std::string& job_id) { return "/v1/jobs/" + net::percent_encode(job_id); }

std::string coloured(const Style& style, const LogLineView& line) {
  const auto text = printable(line.output);
  if (line.left_out) return style.dim(text);
  if (line.level == "error") return style.red(text);
  if (line.level == "warn") return style.yellow(text);
  return line.level == "debug" || line.level == "trace" ? style.dim(text) : text;
}

}  // namespace

void JobLogPrinter::say_why_it_waits(HubClient& hub, const std::string& job_id) {
  if (!stage_.empty() || form_ == Form::json) return;
  const auto job = read_view<WaitingJobView>(hub.get(job_target(job_id)));
  if (!job.pending || job.pending->reason == kNextInLine || job.pending->explanation == said_) return;
  said_ = job.pending->explanation;
  out_ << style_.yellow("The job waits: " + printable(said_)) << '\n' << std::flush;
}

void JobLogPrinter::print(const json::Value& value) {
  if (form_ == Form::json) {
    out_ << json::print_value(value) << '\n' << std::flush;
    return;
  }
  const auto line = read_view<LogLineView>(value);
  if (!line.left_out && line.stage != stage_) {
    stage_ = line.stage;
    out_ << style_.bold("==> " + printable(stage_)) << '\n' << std::flush;
    if (line.output == stage_) return;  // daemons begin a stage with a line that names it
  }
  out_ << (form_ == Form::progress ? "    " : "") << coloured(style_, line) << '\n' << std::flush;
}

std::string follow_job_log(HubClient& hub, const base::Clock& clock, const std::string& job_id,
                           JobLogPrinter& printer) {
  std::string last_id, status;
  auto heard_at = clock.now();
  int attempt = 0;
  const auto on_events = [&](const std::vector<net::ServerSentEvent>& events) {
    heard_at = clock.now();
    for (const auto& event : events) {
      if (event.event == "end") status = json::parse<LogEndView>(event.data, json::Mode::lenient).status;
      if (event.event != "log") continue;
      last_id = event.id;
      printer.print(json::parse_value(event.data));
    }
    return status.empty();
  };
  const auto on_idle = [&] {
    heard_at = clock.now();
    attempt = 0;
    return true;
  };
  while (status.empty()) {
    try {
      printer.say_why_it_waits(hub, job_id);
      hub.stream(job_target(job_id) + "/logs", last_id, {.on_events = on_events, .on_idle = on_idle});
    } catch (const base::Error& error) {
      const bool may_pass = error.code() == kHubUnreachable || error.error_class() == base::ErrorClass::transient;
      if (!may_pass || !hub.wait_before_retry(heard_at, attempt++)) throw;
      continue;
    }
    if (status.empty()) hub.wait_before_retry(clock.now(), attempt++);
  }
  return status;
}

std::string follow_job_log(Invocation& invocation, const std::string& job_id) {
  JobLogPrinter printer(invocation.world.err, invocation.err_style(), JobLogPrinter::Form::progress);
  return follow_job_log(invocation.hub(), invocation.world.clock, job_id, printer);
}

json::Value follow_build(Invocation& invocation, const std::string& run_id) {
  HubClient& hub = invocation.hub();
  const InterruptNotice notice("\nslipway: the build goes on without us; see it with: slipway runs watch " +
                               printable(run_id) + "\n");
  const auto run_target = "/v1/workflows/runs/" + net::percent_encode(run_id);
  while (!invocation.wants_json()) {
    const auto run = hub.get(run_target, Patience::retry);
    if (read_view<RunView>(run).has_ended()) return run;  // there was nothing to do for a daemon
    const auto jobs = hub.get("/v1/jobs?owner=all&runId=" + net::percent_encode(run_id), Patience::retry);
    if (!jobs.as_array().empty()) {
      follow_job_log(invocation, read_view<JobIdView>(jobs.as_array().front()).id);
      break;
    }
    invocation.world.sleep(kLookEvery);
  }
  return follow_run(hub, invocation.world.clock, run_id, [](const RunView&) {}, [] {});
}

}  // namespace slipway::app::cli
