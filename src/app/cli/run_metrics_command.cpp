// runs metrics: how runs ended and how long they took, as a table.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {
namespace {

struct SummaryView {
  std::int64_t total = 0, completed = 0, failed = 0, cancelled = 0;
  std::optional<double> success_rate;
};
SLIPWAY_JSON_CAMEL(SummaryView, total, completed, failed, cancelled, success_rate)

struct TimingView {
  std::optional<base::Duration> p50_ms, p90_ms, p99_ms, avg_ms;
};
SLIPWAY_JSON_CAMEL(TimingView, p50_ms, p90_ms, p99_ms, avg_ms)

struct ReasonView {
  std::string code;
  std::int64_t count = 0;
};
SLIPWAY_JSON_CAMEL(ReasonView, code, count)

struct MetricsView {
  std::string type;
  SummaryView summary;
  TimingView timing;
  std::vector<ReasonView> failure_reasons;
  std::vector<json::Value> types;
  bool incomplete = false;
};
SLIPWAY_JSON_CAMEL(MetricsView, type, summary, timing, failure_reasons, types, incomplete)

std::string rate(const SummaryView& summary) {
  return summary.success_rate ? fmt::format("{:.1f}%", 100 * *summary.success_rate) : "";
}
std::string took(const std::optional<base::Duration>& duration) {
  return duration ? base::format_duration(*duration) : "";
}

void print_types(const Invocation& invocation, const MetricsView& all) {
  Table table({"TYPE", "RUNS", "COMPLETED", "FAILED", "CANCELLED", "SUCCESS", "P50", "P90", "P99"});
  const auto add = [&](const std::string& name, const MetricsView& view) {
    const auto& [total, completed, failed, cancelled, success] = view.summary;
    table.add({name, std::to_string(total), std::to_string(completed), std::to_string(failed),
               std::to_string(cancelled), rate(view.summary), took(view.timing.p50_ms), took(view.timing.p90_ms),
               took(view.timing.p99_ms)});
  };
  for (const auto& value : all.types) {
    const auto view = read_view<MetricsView>(value);
    add(printable(view.type), view);
  }
  add("all", all);
  table.print(invocation.world.out, invocation.out_style());
}

void print_one(const Invocation& invocation, const MetricsView& view) {
  Facts facts;
  facts.add("Type", printable(view.type));
  facts.add("Runs", std::to_string(view.summary.total));
  facts.add("Completed", std::to_string(view.summary.completed));
  facts.add("Failed", std::to_string(view.summary.failed));
  facts.add("Cancelled", std::to_string(view.summary.cancelled));
  facts.add("Success", rate(view.summary));
  facts.add("Took", view.timing.avg_ms
                        ? fmt::format("{} on average; p50 {}, p90 {}, p99 {}", took(view.timing.avg_ms),
                                      took(view.timing.p50_ms), took(view.timing.p90_ms), took(view.timing.p99_ms))
                        : "");
  facts.print(invocation.world.out, invocation.out_style());
  if (view.failure_reasons.empty()) return;
  Table table({"FAILED WITH", "RUNS"});
  for (const auto& [code, count] : view.failure_reasons) table.add({printable(code), std::to_string(count)});
  table.print(invocation.world.out, invocation.out_style());
}

}  // namespace

std::string as_time(const std::string& text, base::Instant now) {
  const auto ago = base::parse_duration(text);
  return ago ? base::format_rfc3339(now - *ago) : text;
}

void add_run_metrics_command(CLI::App& runs, Invocation& invocation) {
  struct Options {
    std::string type, since, until;
    bool mine = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command =
      add_command(runs, invocation, "metrics", "How runs ended and how long they took",
                  "  slipway runs metrics --since 7d\n  slipway runs metrics workspace.create", [&invocation, options] {
                    std::string target = "/v1/workflows/metrics";
                    if (!options->type.empty()) target += "/" + net::percent_encode(options->type);
                    char separator = '?';
                    const auto add = [&](const std::string& name, const std::string& value) {
                      if (value.empty()) return;
                      target += separator + name + "=" + net::percent_encode(value);
                      separator = '&';
                    };
                    const auto now = invocation.world.clock.now();
                    add("since", as_time(options->since, now));
                    add("until", as_time(options->until, now));
                    add("owner", options->mine ? "me" : "");
                    const json::Value answer = invocation.hub().get(target);
                    const auto view = read_view<MetricsView>(answer);
                    if (invocation.wants_json())
                      invocation.print_json(answer);
                    else
                      options->type.empty() ? print_types(invocation, view) : print_one(invocation, view);
                    if (view.incomplete)
                      invocation.world.err << "Runs from before an upgrade are still being counted.\n";
                    return kOk;
                  });
  command.add_option("type", options->type, "workflow, e.g. workspace.create; without it, all of them");
  command.add_option("--since", options->since, "a time, or how long ago: 15m, 2h, 7d; without it, 24h");
  command.add_option("--until", options->until, "likewise");
  command.add_flag("--mine", options->mine, "only one's own, also for an admin");
}

}  // namespace slipway::app::cli
