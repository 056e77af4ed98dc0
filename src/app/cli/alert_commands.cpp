// alerts list, show, ack, resolve.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

struct AlertView {
  std::string id, kind, severity, state, resource_type, resource_id, message, note;
  std::optional<std::string> run_id, acknowledged_by, resolved_by;
  std::int64_t count = 1;
  base::Instant raised_at, last_raised_at;
  std::optional<base::Instant> acknowledged_at, resolved_at;
};
SLIPWAY_JSON_CAMEL(AlertView, id, kind, severity, state, resource_type, resource_id, message, note, run_id,
                   acknowledged_by, resolved_by, count, raised_at, last_raised_at, acknowledged_at, resolved_at)

std::string target_of(const std::string& alert) { return "/v1/alerts/" + net::percent_encode(alert); }

std::string resource_of(const AlertView& alert) { return printable(alert.resource_type + "/" + alert.resource_id); }

void print_alerts(const Invocation& invocation, const json::Array& alerts) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  constexpr std::size_t kMessageWidth = 60;
  Table table({"ID", "SEVERITY", "STATE", "KIND", "RESOURCE", "COUNT", "SINCE", "MESSAGE"});
  for (const json::Value& value : alerts) {
    const auto alert = read_view<AlertView>(value);
    table.add({printable(alert.id), style.status(alert.severity), style.status(alert.state), printable(alert.kind),
               resource_of(alert), std::to_string(alert.count), age(alert.raised_at, now),
               printable(fit(alert.message, kMessageWidth))});
  }
  table.print(invocation.world.out, style);
}

std::string who_and_when(const std::optional<std::string>& who, const std::optional<base::Instant>& at,
                         base::Instant now) {
  return who && at ? printable(*who) + ", " + age(*at, now) + " ago" : "";
}

void print_alert(const Invocation& invocation, const AlertView& alert) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Alert", printable(alert.id));
  facts.add("Kind", printable(alert.kind));
  facts.add("Severity", style.status(alert.severity));
  facts.add("State", style.status(alert.state));
  facts.add("Resource", resource_of(alert));
  facts.add("Run", alert.run_id ? printable(*alert.run_id) : "");
  facts.add("Message", printable(alert.message));
  facts.add("Raised", std::to_string(alert.count) + (alert.count == 1 ? " time, " : " times, the first ") +
                          age(alert.raised_at, now) + " ago" +
                          (alert.count == 1 ? "" : ", the last " + age(alert.last_raised_at, now) + " ago"));
  facts.add("Acknowledged", who_and_when(alert.acknowledged_by, alert.acknowledged_at, now));
  facts.add("Resolved", who_and_when(alert.resolved_by, alert.resolved_at, now));
  facts.add("Note", printable(alert.note));
  facts.print(invocation.world.out, style);
}

int report_alert(const Invocation& invocation, const json::Value& alert) {
  if (invocation.wants_json())
    invocation.print_json(alert);
  else
    print_alert(invocation, read_view<AlertView>(alert));
  return kOk;
}

void add_list(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string state, severity, kind;
    bool all = false;
    int limit = 50;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(group, invocation, "list", "List alerts that are not resolved, newest first",
                                  "  slipway alerts list\n  slipway alerts list --all --kind workstation.quota",
                                  [&invocation, options] {
                                    std::string target = "/v1/alerts?limit=" + std::to_string(options->limit);
                                    const auto ask = [&target](std::string_view name, const std::string& value) {
                                      if (!value.empty())
                                        target += "&" + std::string(name) + "=" + net::percent_encode(value);
                                    };
                                    ask("state", options->all ? "open,acknowledged,resolved" : options->state);
                                    ask("severity", options->severity);
                                    ask("kind", options->kind);
                                    const json::Value alerts = invocation.hub().get(target);
                                    if (invocation.wants_json())
                                      invocation.print_json(alerts);
                                    else
                                      print_alerts(invocation, alerts.as_array());
                                    return kOk;
                                  });
  command.alias("ls");
  auto* state = command.add_option("--state", options->state, "open, acknowledged or resolved; several with commas");
  command.add_option("--severity", options->severity, "warning or critical");
  command.add_option("--kind", options->kind, "such as workstation.quota");
  command.add_flag("--all", options->all, "resolved ones, too")->excludes(state);
  command.add_option("--limit", options->limit, "how many, at most")->capture_default_str();
}

void add_show(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command =
      add_command(group, invocation, "show", "Show an alert", "  slipway alerts show alr_01JH…",
                  [&invocation, id] { return report_alert(invocation, invocation.hub().get(target_of(*id))); });
  command.add_option("alert", *id, "its id")->required()->type_name(kAlertId);
}

// ack and resolve: the same but for their words.
void add_change(CLI::App& group, Invocation& invocation, const std::string& name, const std::string& route,
                const std::string& summary) {
  struct Options {
    std::string id, note;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command =
      add_command(group, invocation, name, summary, "  slipway alerts " + name + " alr_01JH… --note 'I look at it'",
                  [&invocation, options, route] {
                    json::Object body;
                    if (!options->note.empty()) body["note"] = options->note;
                    return report_alert(invocation, invocation.hub().post(target_of(options->id) + route, body));
                  });
  command.add_option("alert", options->id, "its id")->required()->type_name(kAlertId);
  command.add_option("--note", options->note, "for people");
}

}  // namespace

void add_alert_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "alerts", "What needs the attention of a person");
  group.alias("alert");
  add_list(group, invocation);
  add_show(group, invocation);
  add_change(group, invocation, "ack", "/acknowledge", "Say that somebody looks after it (admin only)");
  add_change(group, invocation, "resolve", "/resolve", "Say that its trouble is over (admin only)");
}

}  // namespace slipway::app::cli
