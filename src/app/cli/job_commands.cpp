// jobs list, show, logs, cancel: work for provisioner daemons.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/job_progress.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {
namespace {

struct JobErrorView {
  std::string code, message;
};
SLIPWAY_JSON_CAMEL(JobErrorView, code, message)

struct StandingView {
  std::string explanation;
  std::int64_t ahead = 0;
};
SLIPWAY_JSON_CAMEL(StandingView, explanation, ahead)

struct JobView {
  std::string id, type, status, provisioner, priority;
  std::map<std::string, std::string> tags;
  std::string requested_by_name, run_id;
  std::int64_t attempt = 0, attempts_max = 0;
  std::optional<std::string> workspace_id, build_id, phase, daemon_name, cancel_by;
  std::optional<StandingView> pending;
  std::optional<JobErrorView> error;
  bool dead_letter = false;
  std::int64_t log_lines = 0;
  std::optional<base::Instant> created_at, started_at, ended_at;
};
SLIPWAY_JSON_CAMEL(JobView, id, type, status, provisioner, priority, tags, requested_by_name, run_id, attempt,
                   attempts_max, workspace_id, build_id, phase, daemon_name, cancel_by, pending, error, dead_letter,
                   log_lines, created_at, started_at, ended_at)

struct LogView {
  std::int64_t next = -1;
  bool has_more = false;
};
SLIPWAY_JSON_CAMEL(LogView, next, has_more)

constexpr std::string_view kJobs = "/v1/jobs";

std::string target_of(const std::string& job) { return std::string(kJobs) + "/" + net::percent_encode(job); }

std::string coloured(const Style& style, const std::string& status) {
  if (status == "succeeded") return style.green(status);
  if (status == "failed") return style.red(status);
  return printable(status);
}

std::string in_words(const std::map<std::string, std::string>& tags) {
  std::string text;
  for (const auto& [name, value] : tags) text += (text.empty() ? "" : ", ") + printable(name + "=" + value);
  return text;
}

// What a person wants to know first: why it waits, who does it, or what went wrong.
std::string remark_of(const JobView& job) {
  if (job.pending) return job.pending->explanation;
  if (job.status == "running") return job.phase.value_or("") + " on " + job.daemon_name.value_or("");
  return job.error ? job.error->code + ": " + job.error->message : "";
}

void print_jobs(const Invocation& invocation, const json::Array& jobs) {
  constexpr std::size_t kRemarkWidth = 60;
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Table table({"ID", "TYPE", "STATUS", "PROVISIONER", "ATTEMPT", "AGE", ""});
  for (const json::Value& value : jobs) {
    const auto job = read_view<JobView>(value);
    table.add({printable(job.id), printable(job.type), coloured(style, job.status), printable(job.provisioner),
               std::to_string(job.attempt) + "/" + std::to_string(job.attempts_max),
               job.created_at ? age(*job.created_at, now) : "", printable(fit(remark_of(job), kRemarkWidth))});
  }
  table.print(invocation.world.out, style);
}

void print_job(const Invocation& invocation, const JobView& job) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Job", printable(job.id));
  facts.add("Type", printable(job.type));
  facts.add("Status", coloured(style, job.status) + (job.dead_letter ? ", given up" : ""));
  facts.add("Waits", job.pending ? printable(job.pending->explanation) : "");
  if (job.pending) facts.add("Ahead", std::to_string(job.pending->ahead));
  facts.add("Provisioner", printable(job.provisioner));
  facts.add("Tags", in_words(job.tags));
  facts.add("Priority", printable(job.priority));
  facts.add("Asked for by", printable(job.requested_by_name));
  facts.add("Phase", printable(job.phase.value_or("")));
  facts.add("Daemon", printable(job.daemon_name.value_or("")));
  facts.add("Attempt", std::to_string(job.attempt) + " of " + std::to_string(job.attempts_max));
  facts.add("Cancelled by", printable(job.cancel_by.value_or("")));
  facts.add("Error", job.error ? printable(job.error->code + ": " + job.error->message) : "");
  facts.add("Asked for", job.created_at ? age(*job.created_at, now) + " ago" : "");
  if (job.started_at && job.ended_at) facts.add("Took", base::format_duration(*job.ended_at - *job.started_at));
  facts.add("Workspace", printable(job.workspace_id.value_or("")));
  facts.add("Build", printable(job.build_id.value_or("")));
  facts.add("Run", printable(job.run_id));
  facts.add("Log", std::to_string(job.log_lines) + " lines: slipway jobs logs " + printable(job.id));
  facts.print(invocation.world.out, style);
}

int report_job(const Invocation& invocation, const json::Value& job) {
  if (invocation.wants_json())
    invocation.print_json(job);
  else
    print_job(invocation, read_view<JobView>(job));
  return kOk;
}

// ---- logs

JobLogPrinter printer_of(const Invocation& invocation) {
  return {invocation.world.out, invocation.out_style(),
          invocation.wants_json() ? JobLogPrinter::Form::json : JobLogPrinter::Form::plain};
}

void print_log(Invocation& invocation, const std::string& job) {
  auto printer = printer_of(invocation);
  for (std::int64_t after = -1;;) {
    const auto page = invocation.hub().get(target_of(job) + "/logs?limit=1000&after=" + std::to_string(after));
    const auto& lines = page.as_object().at("lines").as_array();
    for (const auto& line : lines) printer.print(line);
    const auto view = read_view<LogView>(page);
    after = view.next;
    if (!view.has_more || lines.empty()) return;
  }
}

// ---- commands

void add_list(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string status, type, workspace, daemon;
    bool all = false, dead_letter = false;
    std::size_t limit = 50;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "list", "List jobs, newest first",
      "  slipway jobs list\n  slipway jobs list --all --status pending,running", [&invocation, options] {
        std::string target(kJobs);
        target += options->all ? "?owner=all" : "?owner=me";
        const auto ask = [&target](std::string_view name, const std::string& value) {
          if (!value.empty()) target += "&" + std::string(name) + "=" + net::percent_encode(value);
        };
        ask("status", options->status);
        ask("type", options->type);
        ask("workspaceId", options->workspace.empty() ? "" : invocation.hub().resolve_workspace(options->workspace));
        ask("daemonId", options->daemon);
        ask("deadLetter", options->dead_letter ? "true" : "");
        const auto jobs = invocation.hub().list(target, options->limit);
        if (invocation.wants_json())
          invocation.print_json(jobs);
        else
          print_jobs(invocation, jobs);
        return kOk;
      });
  command.alias("ls");
  command.add_option("--status", options->status, "pending, running, succeeded, failed, cancelled; with commas");
  command.add_option("--type", options->type, "template_import, template_dry_run or workspace_build");
  command.add_option("--workspace", options->workspace, "of this workspace")->type_name(kWorkspaceName);
  command.add_option("--daemon", options->daemon, "that this daemon has, by its id");
  command.add_flag("--dead-letter", options->dead_letter, "only those that were given up");
  command.add_flag("--all", options->all, "everyone's (admin only)");
  command.add_option("--limit", options->limit, "how many, at most")->capture_default_str();
}

void add_show(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, "show", "Show a job, and why it waits if it does",
                                  "  slipway jobs show job_01JH…\n  slipway why job_01JH…", [&invocation, id] {
                                    return report_job(invocation, invocation.hub().get(target_of(*id)));
                                  });
  command.add_option("job", *id, "its id")->required();
}

void add_logs(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string id;
    bool follow = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command =
      add_command(group, invocation, "logs", "Print a job's log",
                  "  slipway jobs logs job_01JH…\n  slipway jobs logs --follow job_01JH…", [&invocation, options] {
                    if (!options->follow) {
                      print_log(invocation, options->id);
                      return kOk;
                    }
                    auto printer = printer_of(invocation);
                    const auto status = follow_job_log(invocation.hub(), invocation.world.clock, options->id, printer);
                    if (status == "succeeded") return kOk;
                    invocation.say("the job " + status);
                    return kFailed;
                  });
  command.add_option("job", options->id, "its id")->required();
  command.add_flag("--follow,-f", options->follow, "go on until the job ends; fails if the job does");
}

void add_cancel(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command =
      add_command(group, invocation, "cancel", "Cancel a job: one that waits ends at once, one at work is asked to",
                  "  slipway jobs cancel job_01JH…", [&invocation, id] {
                    return report_job(invocation, invocation.hub().post(target_of(*id) + "/cancel", json::Object{}));
                  });
  command.add_option("job", *id, "its id")->required();
}

}  // namespace

void add_job_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "jobs", "Work for provisioner daemons: imports, dry runs and builds of templates");
  group.alias("job");
  add_list(group, invocation);
  add_show(group, invocation);
  add_logs(group, invocation);
  add_cancel(group, invocation);
}

}  // namespace slipway::app::cli
