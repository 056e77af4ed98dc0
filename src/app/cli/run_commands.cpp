// runs list, show, watch, events, cancel.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/run_progress.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

std::string run_target(const std::string& id) { return "/v1/workflows/runs/" + net::percent_encode(id); }

std::string resource(const RunView& run) {
  if (!run.resource_id) return {};
  return printable(run.resource_type.value_or("") + "/" + *run.resource_id);
}

void print_runs(const Invocation& invocation, const json::Array& runs) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Table table({"ID", "TYPE", "STATUS", "RESOURCE", "STARTED", "TOOK"});
  for (const json::Value& value : runs) {
    const auto run = read_view<RunView>(value);
    table.add({printable(run.id), printable(run.type), style.status(printable(run.status)), resource(run),
               run.started_at ? age(*run.started_at, now) : "",
               run.duration_ms ? base::format_duration(*run.duration_ms) : ""});
  }
  table.print(invocation.world.out, style);
}

void print_run(const Invocation& invocation, const RunView& run) {
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Run", printable(run.id));
  facts.add("Type", printable(run.type));
  facts.add("Status", style.status(printable(run.status)));
  facts.add("Resource", resource(run));
  facts.add("Triggered by", printable(run.triggered_by.value_or("")));
  if (run.waiting)
    facts.add("Waiting", "number " + std::to_string(run.waiting->position) + " in queue " +
                             printable(run.waiting->queue + ": " + run.waiting->explanation));
  if (run.started_at) facts.add("Started", base::format_rfc3339(*run.started_at));
  if (run.duration_ms) facts.add("Took", base::format_duration(*run.duration_ms));
  if (run.progress && !run.has_ended()) facts.add("Progress", std::to_string(int(*run.progress)) + "%");
  if (run.error) facts.add("Error", style.red(printable(run.error->code + ": " + run.error->message)));
  facts.print(invocation.world.out, style);
  constexpr std::size_t kNoCut = 10'000;
  for (const std::string& line : progress_lines(run, invocation.world.clock.now(), 0, style, kNoCut))
    invocation.world.out << line << '\n';
}

struct ListOptions {
  std::string type, status, resource_type, resource_id, triggered_by, since, until, workspace;
  std::size_t limit = 50;
};

std::string list_target(const ListOptions& options, HubClient& hub, base::Instant now) {
  std::string target = "/v1/workflows/runs";
  std::string joint = "?";
  const auto filter = [&](const char* name, const std::string& value) {
    if (!value.empty()) target += std::exchange(joint, "&") + name + "=" + net::percent_encode(value);
  };
  filter("type", options.type);
  filter("status", options.status);
  filter("resourceType", options.workspace.empty() ? options.resource_type : "workspace");
  filter("resourceId", options.workspace.empty() ? options.resource_id : hub.resolve_workspace(options.workspace));
  filter("triggeredBy", options.triggered_by);
  filter("since", as_time(options.since, now));
  filter("until", as_time(options.until, now));
  return target;
}

void add_list(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& command = add_command(
      group, invocation, "list", "List runs, newest first",
      "  slipway runs list --status running\n  slipway runs list --workspace hello --since 2h", [&invocation, options] {
        HubClient& hub = invocation.hub();
        const json::Array runs = hub.list(list_target(*options, hub, invocation.world.clock.now()), options->limit);
        if (invocation.wants_json())
          invocation.print_json(runs);
        else if (runs.empty())
          invocation.world.err << "No such runs.\n";
        else
          print_runs(invocation, runs);
        return kOk;
      });
  command.alias("ls");
  command.add_option("--type", options->type, "workflow, e.g. workspace.create");
  command.add_option("--status", options->status, "pending, running, completed, failed or cancelled");
  auto* workspace =
      command.add_option("--workspace", options->workspace, "of this workspace")->type_name(kWorkspaceName);
  command.add_option("--resource-type", options->resource_type, "kind of what they change")->excludes(workspace);
  command.add_option("--resource-id", options->resource_id, "id of what they change")->excludes(workspace);
  command.add_option("--triggered-by", options->triggered_by, "user id");
  command.add_option("--since", options->since, "a time, or how long ago: 2025-01-12T10:00:00Z, 15m, 2h, 7d");
  command.add_option("--until", options->until, "likewise");
  command.add_option("--limit", options->limit, "at most so many")->capture_default_str()->check(CLI::PositiveNumber);
}

using RunAction = int (*)(Invocation&, const std::string& id);

int show(Invocation& invocation, const std::string& id) {
  const json::Value run = invocation.hub().get(run_target(id));
  if (invocation.wants_json())
    invocation.print_json(run);
  else
    print_run(invocation, read_view<RunView>(run));
  return kOk;
}

int watch(Invocation& invocation, const std::string& id) {
  const json::Value ended = watch_run(invocation, id, invocation.world.out, invocation.world.out_is_terminal);
  const RunView run = read_view<RunView>(ended);
  if (invocation.wants_json())
    invocation.print_json(ended);
  else
    invocation.world.out << outcome_line(run) << '\n';
  return run.status == "completed" ? kOk : kFailed;
}

int events(Invocation& invocation, const std::string& id) {
  const json::Array journal = invocation.hub().list(run_target(id) + "/events");
  if (invocation.wants_json()) {
    invocation.print_json(journal);
    return kOk;
  }
  Table table({"SEQ", "AT", "TYPE", "STEP", "DATA"});
  for (const json::Value& value : journal) {
    const auto event = read_view<EventView>(value);
    const bool has_data = !event.data.is_null() && !(event.data.is_object() && event.data.get_object().empty());
    table.add({std::to_string(event.seq), event.at ? base::format_rfc3339(*event.at) : "", printable(event.type),
               printable(event.step.value_or("")), has_data ? printable(json::print_value(event.data)) : ""});
  }
  table.print(invocation.world.out, invocation.out_style());
  return kOk;
}

int cancel(Invocation& invocation, const std::string& id) {
  const json::Value answer = invocation.hub().post(run_target(id) + "/cancel", nullptr);
  if (invocation.wants_json())
    invocation.print_json(answer);
  else
    invocation.world.out << "Run " << printable(id) << " is being cancelled; see: slipway runs watch " << printable(id)
                         << '\n';
  return kOk;
}

void add_one(CLI::App& group, Invocation& invocation, const char* name, const char* description, RunAction action) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, name, description,
                                  "  slipway runs " + std::string(name) + " run_01jh2k7v5m8q3w9x4y6z0abcde",
                                  [&invocation, id, action] { return action(invocation, *id); });
  command.add_option("run", *id, "id of the run")->required()->type_name(kRunName);
}

}  // namespace

void add_run_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "runs", "See what the hub did and does, step by step");
  group.alias("run");
  add_list(group, invocation);
  add_one(group, invocation, "show", "Show one run with its steps", show);
  add_one(group, invocation, "watch", "Show a run until it ends; exits with 1 unless it completed", watch);
  add_one(group, invocation, "events", "Print a run's journal", events);
  add_run_metrics_command(group, invocation);
  add_one(group, invocation, "cancel", "Cancel a run: what was done is undone, newest first", cancel);
}

}  // namespace slipway::app::cli
