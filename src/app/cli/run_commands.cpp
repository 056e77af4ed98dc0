// runs list, show, watch, events, cancel, retry.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/run_progress.h"
#include "app/cli/run_timeline.h"
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
  facts.add("Started by", printable(run.parent_run_id.value_or("")));
  facts.add("Retry of", printable(run.retry_of.value_or("")));
  facts.add("Retried by", printable(run.retried_by.value_or("")));
  if (run.started_at) facts.add("Started", base::format_rfc3339(*run.started_at));
  if (run.duration_ms) facts.add("Took", base::format_duration(*run.duration_ms));
  if (run.progress && !run.has_ended()) facts.add("Progress", std::to_string(int(*run.progress)) + "%");
  if (run.estimated_completion_at && !run.has_ended())
    facts.add("Ends about", base::format_rfc3339(*run.estimated_completion_at));
  if (run.error) facts.add("Error", style.red(printable(run.error->code + ": " + run.error->message)));
  facts.print(invocation.world.out, style);
  if (run.steps.empty()) return;
  constexpr std::size_t kNoCut = 10'000;  // into a file or a pipe
  const auto columns = invocation.world.out_is_terminal ? std::size_t(terminal_size(STDOUT_FILENO).columns) : kNoCut;
  const Canvas canvas{.columns = columns, .unicode = has_unicode(invocation), .style = style};
  for (const std::string& line : timeline_lines(run, invocation.world.clock.now(), 0, canvas))
    invocation.world.out << line << '\n';
}

struct ListOptions {
  std::string type, status, resource_type, resource_id, triggered_by, since, until, workspace, parent, retry_of, sort;
  bool needs_attention = false;
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
  filter("parentId", options.parent);
  filter("retryOf", options.retry_of);
  filter("needsAttention", options.needs_attention ? "true" : "");
  filter("sort", options.sort);
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
  command.add_option("--type", options->type, "workflow, e.g. workspace.create; several with commas");
  command.add_option("--status", options->status,
                     "pending, running, completed, failed or cancelled; several with commas");
  auto* workspace =
      command.add_option("--workspace", options->workspace, "of this workspace")->type_name(kWorkspaceName);
  command.add_option("--resource-type", options->resource_type, "kind of what they change")->excludes(workspace);
  command.add_option("--resource-id", options->resource_id, "id of what they change")->excludes(workspace);
  command.add_option("--triggered-by", options->triggered_by, "user id");
  command.add_option("--since", options->since, "a time, or how long ago: 2025-01-12T10:00:00Z, 15m, 2h, 7d");
  command.add_option("--until", options->until, "likewise");
  command.add_option("--parent", options->parent, "started by this run");
  command.add_option("--retry-of", options->retry_of, "that do this run again");
  command.add_flag("--needs-attention", options->needs_attention, "only those of which something could not be undone");
  command.add_option("--sort", options->sort, "startedAt or -startedAt: oldest or newest first");
  command.add_option("--limit", options->limit, "at most so many")->capture_default_str()->check(CLI::PositiveNumber);
}

// Runs that it started, theirs below them, each a line.
void print_tree(Invocation& invocation, const std::string& id, std::size_t depth) {
  constexpr std::size_t kDeepest = 10;
  constexpr std::size_t kChildrenMax = 200;
  for (const json::Value& value : invocation.hub().list(run_target(id) + "/children?sort=startedAt", kChildrenMax)) {
    const auto child = read_view<RunView>(value);
    invocation.world.out << std::string(2 * depth, ' ') << printable(child.id) << "  " << printable(child.type) << "  "
                         << invocation.out_style().status(printable(child.status));
    if (child.duration_ms) invocation.world.out << "  " << base::format_duration(*child.duration_ms);
    invocation.world.out << '\n';
    if (depth < kDeepest) print_tree(invocation, child.id, depth + 1);
  }
}

void add_show(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string id;
    bool tree = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(group, invocation, "show", "Show one run with its steps as a timeline",
                                  "  slipway runs show run_01jh2k7v5m8q3w9x4y6z0abcde --tree", [&invocation, options] {
                                    const json::Value run = invocation.hub().get(run_target(options->id));
                                    if (invocation.wants_json()) {
                                      invocation.print_json(run);
                                      return kOk;
                                    }
                                    print_run(invocation, read_view<RunView>(run));
                                    if (options->tree) print_tree(invocation, options->id, 1);
                                    return kOk;
                                  });
  command.add_option("run", options->id, "id of the run")->required()->type_name(kRunName);
  command.add_flag("--tree", options->tree, "and the runs that it started, and theirs");
}

// Until it ends; 1 unless it completed.
int watch(Invocation& invocation, const std::string& id) {
  const json::Value ended = watch_run(invocation, id, invocation.world.out, invocation.world.out_is_terminal);
  const RunView run = read_view<RunView>(ended);
  if (invocation.wants_json())
    invocation.print_json(ended);
  else
    invocation.world.out << outcome_line(run) << '\n';
  return run.status == "completed" ? kOk : kFailed;
}

void add_watch(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(
      group, invocation, "watch", "Show a run until it ends; exits with 1 unless it completed",
      "  slipway runs watch run_01jh2k7v5m8q3w9x4y6z0abcde", [&invocation, id] { return watch(invocation, *id); });
  command.add_option("run", *id, "id of the run")->required()->type_name(kRunName);
}

struct EventsOptions {
  std::string id, type;
  std::int64_t after = 0;
};

int events(Invocation& invocation, const EventsOptions& options) {
  std::string target = run_target(options.id) + "/events";
  std::string joint = "?";
  if (!options.type.empty()) target += std::exchange(joint, "&") + "type=" + net::percent_encode(options.type);
  if (options.after > 0) target += std::exchange(joint, "&") + "after=" + std::to_string(options.after);
  const json::Array journal = invocation.hub().list(target);
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

void add_events(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<EventsOptions>();
  CLI::App& command = add_command(group, invocation, "events", "Print a run's journal",
                                  "  slipway runs events run_01jh2k7v5m8q3w9x4y6z0abcde --type step_failed",
                                  [&invocation, options] { return events(invocation, *options); });
  command.add_option("run", options->id, "id of the run")->required()->type_name(kRunName);
  command.add_option("--type", options->type, "only these, e.g. step_completed; several with commas");
  command.add_option("--after", options->after, "only those with a greater number")->check(CLI::NonNegativeNumber);
}

void add_cancel(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string id;
    bool wait = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "cancel", "Cancel a run: what was done is undone, newest first",
      "  slipway runs cancel run_01jh2k7v5m8q3w9x4y6z0abcde --wait", [&invocation, options] {
        const json::Value answer = invocation.hub().post(run_target(options->id) + "/cancel", nullptr);
        if (options->wait) {
          const auto ended = read_view<RunView>(
              watch_run(invocation, options->id, invocation.world.err, invocation.world.err_is_terminal));
          invocation.say(outcome_line(ended));
          return ended.status == "cancelled" ? kOk : kFailed;
        }
        if (invocation.wants_json())
          invocation.print_json(answer);
        else
          invocation.world.out << "Run " << printable(options->id) << " is being cancelled; see: slipway runs watch "
                               << printable(options->id) << '\n';
        return kOk;
      });
  command.add_option("run", options->id, "id of the run")->required()->type_name(kRunName);
  command.add_flag("--wait", options->wait, "show it until it has ended; exits with 1 unless it was cancelled");
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + printable(name);
  return text;
}

struct RetryOptions {
  std::string id, from_step;
  bool wait = false;
};

int retry(Invocation& invocation, const RetryOptions& options) {
  json::Object body;
  if (!options.from_step.empty()) body["fromStep"] = options.from_step;
  const json::Value answer = invocation.hub().post(run_target(options.id) + "/retry", body);
  const auto retried = read_view<RetriedView>(answer);
  if (!invocation.wants_json()) {
    std::ostream& out = invocation.world.out;
    out << "Run " << printable(retried.run.id) << " does it again";
    if (retried.starts_at) out << " from " << printable(*retried.starts_at) << " on";
    out << ".\n";
    if (!retried.taken_over.empty()) out << "Taken over: " << joined(retried.taken_over) << '\n';
  }
  if (options.wait) return watch(invocation, retried.run.id);
  if (invocation.wants_json()) invocation.print_json(answer);
  return kOk;
}

void add_retry(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<RetryOptions>();
  CLI::App& command =
      add_command(group, invocation, "retry", "Do a failed or cancelled run again, by a new run",
                  "  slipway runs retry run_01jh2k7v5m8q3w9x4y6z0abcde --from-step wait-until-ready --wait",
                  [&invocation, options] { return retry(invocation, *options); });
  command.add_option("run", options->id, "id of the run")->required()->type_name(kRunName);
  command.add_option("--from-step", options->from_step,
                     "take over the results of the steps before this one, as far as they still hold");
  command.add_flag("--wait", options->wait, "show it until it ends; exits with 1 unless it completed");
}

}  // namespace

void add_run_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "runs", "See what the hub did and does, step by step");
  group.alias("run");
  add_list(group, invocation);
  add_show(group, invocation);
  add_watch(group, invocation);
  add_events(group, invocation);
  add_cancel(group, invocation);
  add_retry(group, invocation);
  add_run_metrics_command(group, invocation);
}

}  // namespace slipway::app::cli
