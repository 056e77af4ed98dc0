// schedules list, show, create, pause, resume, trigger, delete (admin only).

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

std::string target_of(const std::string& schedule) { return "/v1/schedules/" + net::percent_encode(schedule); }

std::string shown_status(const ScheduleView& schedule, const Style& style) {
  const std::string status = printable(schedule.status);
  return schedule.status == "error" ? style.red(status) : status;
}

std::string calendar(const ScheduleView& schedule) {
  const bool counts_elapsed_time = schedule.cron.starts_with("every ");
  return printable(schedule.cron) + (counts_elapsed_time ? "" : " " + printable(schedule.time_zone));
}

void print_schedules(const Invocation& invocation, const json::Array& schedules) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Table table({"NAME", "TYPE", "STATUS", "CRON", "NEXT", "LAST", "STARTED", "MISSED"});
  for (const json::Value& value : schedules) {
    const auto schedule = read_view<ScheduleView>(value);
    table.add({printable(schedule.name), printable(schedule.type), shown_status(schedule, style), calendar(schedule),
               schedule.next_at ? base::format_rfc3339(*schedule.next_at) : "",
               schedule.last_started_at ? age(*schedule.last_started_at, now) : "", std::to_string(schedule.started),
               std::to_string(schedule.missed)});
  }
  table.print(invocation.world.out, style);
}

std::string describe(const OutcomeView& outcome) {
  std::string text = outcome.kind;
  if (outcome.count > 1) text += " " + std::to_string(outcome.count) + " times";
  if (outcome.calendar_at) text += " for " + base::format_rfc3339(*outcome.calendar_at);
  if (outcome.until_at) text += " to " + base::format_rfc3339(*outcome.until_at);
  if (outcome.run_id) text += ": " + *outcome.run_id;
  return printable(text);
}

void print_schedule(const Invocation& invocation, const ScheduleView& schedule) {
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Schedule", printable(schedule.name));
  facts.add("Id", printable(schedule.id));
  facts.add("Type", printable(schedule.type));
  facts.add("Input", printable(json::print_value(schedule.input)));
  facts.add("Status", shown_status(schedule, style));
  if (schedule.pause) {
    const std::string reason = schedule.pause->reason.empty() ? "" : ": " + schedule.pause->reason;
    facts.add("Paused", printable(base::format_rfc3339(schedule.pause->at) + " by " + schedule.pause->by + reason));
  }
  if (schedule.error) facts.add("Error", style.red(printable(schedule.error->message)));
  facts.add("Cron", calendar(schedule));
  facts.add("Overlap", printable(schedule.overlap));
  if (schedule.jitter_ms != base::Duration(0)) facts.add("Jitter", base::format_duration(schedule.jitter_ms));
  facts.add("Catches up", base::format_duration(schedule.catch_up_ms));
  if (schedule.remaining) facts.add("Remaining", std::to_string(*schedule.remaining));
  facts.add("Started", std::to_string(schedule.started));
  facts.add("Skipped", std::to_string(schedule.skipped));
  facts.add("Missed", std::to_string(schedule.missed));
  facts.print(invocation.world.out, style);
  for (const base::Instant at : schedule.next_times)
    invocation.world.out << "  next    " << base::format_rfc3339(at) << '\n';
  for (const OutcomeView& outcome : schedule.last_outcomes) invocation.world.out << "  " << describe(outcome) << '\n';
}

// ---- list, show

void add_list(CLI::App& group, Invocation& invocation) {
  CLI::App& command =
      add_command(group, invocation, "list", "List schedules by name", "  slipway schedules list", [&invocation] {
        const json::Array schedules = invocation.hub().list("/v1/schedules");
        if (invocation.wants_json())
          invocation.print_json(schedules);
        else if (schedules.empty())
          invocation.world.err << "No schedules.\n";
        else
          print_schedules(invocation, schedules);
        return kOk;
      });
  command.alias("ls");
}

int show(Invocation& invocation, const std::string& name) {
  const json::Value schedule = invocation.hub().get(target_of(name));
  if (invocation.wants_json())
    invocation.print_json(schedule);
  else
    print_schedule(invocation, read_view<ScheduleView>(schedule));
  return kOk;
}

// ---- create

struct CreateOptions {
  std::string name, type, cron, time_zone, input, jitter, overlap, catch_up, starts_at, ends_at;
  std::int64_t count = 0;
};

std::int64_t read_duration(const char* option, const std::string& text) {
  const auto duration = base::parse_duration(text);
  if (!duration) throw base::validation_error(option, "'" + text + "' is no duration such as 30s, 15m or 1h30m");
  return duration->count();
}

json::Value to_body(const CreateOptions& options) {
  json::Object body{{"name", options.name}, {"type", options.type}, {"cron", options.cron}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) body[name] = value;
  };
  add("timeZone", options.time_zone);
  add("overlap", options.overlap);
  add("startsAt", options.starts_at);
  add("endsAt", options.ends_at);
  if (!options.input.empty()) body["input"] = json::parse_value(options.input, "--input");
  if (!options.jitter.empty()) body["jitterMs"] = read_duration("--jitter", options.jitter);
  if (!options.catch_up.empty()) body["catchUpMs"] = read_duration("--catch-up", options.catch_up);
  if (options.count > 0) body["remaining"] = options.count;
  return body;
}

void add_create(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App& command = add_command(
      group, invocation, "create", "Make a schedule: runs that start by the calendar",
      "  slipway schedules create tidy --type hub.forget-old --cron '30 4 * * MON-FRI' --time-zone Europe/Berlin\n"
      "  slipway schedules create often --type hub.forget-old --cron 'every 90s' --overlap skip",
      [&invocation, options] {
        const json::Value created = invocation.hub().post("/v1/schedules", to_body(*options));
        if (invocation.wants_json())
          invocation.print_json(created);
        else
          print_schedule(invocation, read_view<ScheduleView>(created));
        return kOk;
      });
  command.add_option("name", options->name, "a label: lower-case letters, digits and '-'")->required();
  command.add_option("--type", options->type, "the workflow that is started")->required();
  command.add_option("--cron", options->cron, "minute hour day month weekday; or every 90s, or @daily")->required();
  command.add_option("--time-zone", options->time_zone, "of the calendar, e.g. Europe/Berlin (UTC)");
  command.add_option("--input", options->input, "of the runs, as JSON ({})");
  command.add_option("--overlap", options->overlap, "while a run is at work (skip)")
      ->type_name("skip|buffer_one|allow|cancel_running");
  command.add_option("--jitter", options->jitter, "start up to so much later, e.g. 30s");
  command.add_option("--catch-up", options->catch_up, "how late a start may still be made (1h)");
  command.add_option("--starts-at", options->starts_at, "no time before this one");
  command.add_option("--ends-at", options->ends_at, "no time after this one");
  command.add_option("--count", options->count, "end after so many starts")->check(CLI::PositiveNumber);
}

// ---- what is done to one

using ScheduleAction = int (*)(Invocation&, const std::string& name);

CLI::App& add_one(CLI::App& group, Invocation& invocation, const char* name, const char* description,
                  ScheduleAction action) {
  auto schedule = std::make_shared<std::string>();
  CLI::App& command =
      add_command(group, invocation, name, description, "  slipway schedules " + std::string(name) + " nightly",
                  [&invocation, schedule, action] { return action(invocation, *schedule); });
  command.add_option("schedule", *schedule, "name or id")->required()->type_name(kScheduleName);
  return command;
}

void add_pause(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string schedule, reason;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command =
      add_command(group, invocation, "pause", "Start nothing more until it is resumed",
                  "  slipway schedules pause nightly --reason 'the backend is being moved'", [&invocation, options] {
                    json::Object body;
                    if (!options->reason.empty()) body["reason"] = options->reason;
                    const json::Value answer = invocation.hub().post(target_of(options->schedule) + "/pause", body);
                    if (invocation.wants_json())
                      invocation.print_json(answer);
                    else
                      invocation.world.out << "Schedule " << printable(options->schedule) << " is paused.\n";
                    return kOk;
                  });
  command.add_option("schedule", options->schedule, "name or id")->required()->type_name(kScheduleName);
  command.add_option("--reason", options->reason, "why, for whoever looks at it");
}

int resume(Invocation& invocation, const std::string& name) {
  const json::Value answer = invocation.hub().post(target_of(name) + "/resume", nullptr);
  if (invocation.wants_json()) {
    invocation.print_json(answer);
    return kOk;
  }
  const auto next = read_view<ScheduleView>(answer).next_at;
  invocation.world.out << "Schedule " << printable(name) << " goes on"
                       << (next ? "; next at " + base::format_rfc3339(*next) : "") << ".\n";
  return kOk;
}

void add_trigger(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string schedule;
    bool anyway = false, no_wait = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "trigger", "Start a run now, also of a paused schedule", "  slipway schedules trigger nightly",
      [&invocation, options] {
        json::Object body;
        if (options->anyway) body["overlap"] = "allow";
        json::Value answer = invocation.hub().post(target_of(options->schedule) + "/trigger", body);
        const std::string id = read_view<AcceptedView>(answer).run.id;
        if (!options->no_wait)
          answer.as_object()["run"] = watch_run(invocation, id, invocation.world.err, invocation.world.err_is_terminal);
        const auto run = read_view<AcceptedView>(answer).run;
        if (invocation.wants_json())
          invocation.print_json(answer);
        else
          invocation.world.out << "Run " << printable(run.id) << ' ' << printable(run.status) << '\n';
        return options->no_wait || run.status == "completed" ? kOk : kFailed;
      });
  command.add_option("schedule", options->schedule, "name or id")->required()->type_name(kScheduleName);
  command.add_flag("--anyway", options->anyway, "also while a run of it is at work");
  command.add_flag("--no-wait", options->no_wait, "do not wait for the run's end");
}

int remove(Invocation& invocation, const std::string& name) {
  const json::Value answer = invocation.hub().remove(target_of(name));
  if (invocation.wants_json())
    invocation.print_json(answer);
  else
    invocation.world.out << "Schedule " << printable(name) << " is deleted; its runs go on.\n";
  return kOk;
}

}  // namespace

void add_schedule_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "schedules", "Runs that start by the calendar (admin only)");
  group.alias("schedule");
  add_list(group, invocation);
  add_one(group, invocation, "show", "Show one: its next times, and what came of the last ones", show);
  add_create(group, invocation);
  add_pause(group, invocation);
  add_one(group, invocation, "resume", "Go on with a paused schedule, from now", resume);
  add_trigger(group, invocation);
  add_one(group, invocation, "delete", "Delete a schedule; its runs stay", remove).alias("rm");
}

}  // namespace slipway::app::cli
