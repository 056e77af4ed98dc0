// webhooks list, create, show, update, rotate-secret, ping, pause, resume, delete, deliveries, delivery, redeliver,
// recover.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/webhook_views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

using Work = std::function<int(const std::string& webhook)>;

std::string target_of(const std::string& webhook) { return "/v1/webhooks/" + net::percent_encode(webhook); }

std::string target_of(const std::string& webhook, const std::string& delivery) {
  return target_of(webhook) + "/deliveries/" + net::percent_encode(delivery);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return printable(text);
}

std::string age_or_never(const std::optional<base::Instant>& at, base::Instant now) {
  return at ? age(*at, now) + " ago" : "never";
}

std::string text_or_empty(const std::optional<std::string>& text) { return text ? printable(*text) : ""; }

// "2025-01-12", or "2h": so long ago.
std::string read_since(const Invocation& invocation, const std::string& text) {
  if (const auto ago = base::parse_duration(text)) return base::format_rfc3339(invocation.world.clock.now() - *ago);
  if (const auto at = base::parse_rfc3339(text)) return base::format_rfc3339(*at);
  throw base::validation_error("--since", "must be a time such as 2025-01-12T10:00:00Z, or how long ago, such as 2h");
}

// ---- printing

void print_webhooks(const Invocation& invocation, const json::Array& webhooks) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Table table({"ID", "STATUS", "URL", "EVENTS", "DELIVERED", "FAILURES"});
  for (const json::Value& value : webhooks) {
    const auto webhook = read_view<WebhookView>(value);
    table.add({printable(webhook.id), style.status(webhook.status), printable(webhook.url), joined(webhook.event_types),
               age_or_never(webhook.last_success_at, now),
               webhook.failures == 0 ? "" : std::to_string(webhook.failures)});
  }
  table.print(invocation.world.out, style);
}

void print_webhook(const Invocation& invocation, const WebhookView& webhook) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Webhook", printable(webhook.id));
  facts.add("URL", printable(webhook.url));
  facts.add("Description", printable(webhook.description));
  facts.add("Status",
            style.status(webhook.status) + (webhook.status_reason ? ": " + printable(*webhook.status_reason) : ""));
  facts.add("Events", joined(webhook.event_types));
  facts.add("Resource type", text_or_empty(webhook.resource_type));
  facts.add("Resource", text_or_empty(webhook.resource_id));
  facts.add("Run type", text_or_empty(webhook.run_type));
  facts.add("Scope", printable(webhook.scope));
  facts.add("Format", printable(webhook.format) + (webhook.ordered ? ", in order of each resource" : ""));
  facts.add("Delivered", age_or_never(webhook.last_success_at, now));
  if (webhook.failures > 0)
    facts.add("Failures",
              std::to_string(webhook.failures) + " in a row, the last " + age_or_never(webhook.last_failure_at, now));
  if (webhook.hold_until && *webhook.hold_until > now)
    facts.add("Nothing before", base::format_rfc3339(*webhook.hold_until));
  if (webhook.old_secret_until && *webhook.old_secret_until > now)
    facts.add("Old secret until", base::format_rfc3339(*webhook.old_secret_until));
  if (webhook.secret) facts.add("Secret", printable(*webhook.secret) + "   (shown only now)");
  facts.print(invocation.world.out, style);
}

void print_deliveries(const Invocation& invocation, const json::Array& deliveries) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Table table({"ID", "EVENT", "RESOURCE", "STATUS", "ATTEMPTS", "ANSWER", "AGE", "NEXT"});
  for (const json::Value& value : deliveries) {
    const auto delivery = read_view<DeliveryView>(value);
    const auto next = delivery.next_attempt_at;
    table.add({printable(delivery.id), printable(delivery.event_type), printable(delivery.resource),
               style.status(delivery.status), std::to_string(delivery.attempt_count),
               delivery.last_status ? std::to_string(*delivery.last_status) : text_or_empty(delivery.last_error),
               age(delivery.created_at, now),
               next && *next > now ? "in " + base::format_duration(*next - now) : text_or_empty(delivery.waits_for)});
  }
  table.print(invocation.world.out, style);
}

void print_delivery(const Invocation& invocation, const DeliveryDetailView& detail) {
  auto& out = invocation.world.out;
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Delivery", printable(detail.delivery.id));
  facts.add("Event", printable(detail.delivery.event_type));
  facts.add("Resource", printable(detail.delivery.resource));
  facts.add("Status", style.status(detail.delivery.status));
  if (detail.delivery.next_attempt_at)
    facts.add("Next attempt", base::format_rfc3339(*detail.delivery.next_attempt_at));
  facts.add("Sent to", printable(detail.request.url));
  facts.add("Body", printable(detail.request.body));
  facts.print(out, style);
  Table table({"ATTEMPT", "AT", "TOOK", "ANSWER", "BODY"});
  for (const auto& attempt : detail.attempts)
    table.add({std::to_string(attempt.number), base::format_rfc3339(attempt.at),
               base::format_duration(attempt.duration_ms),
               attempt.response ? std::to_string(attempt.response->status)
                                : (attempt.error ? printable(attempt.error->code + ": " + attempt.error->message) : ""),
               attempt.response ? printable(fit(attempt.response->body, 60)) : ""});
  table.print(out, style);
}

int report_webhook(const Invocation& invocation, const json::Value& webhook) {
  if (invocation.wants_json())
    invocation.print_json(webhook);
  else
    print_webhook(invocation, read_view<WebhookView>(webhook));
  return kOk;
}

int report_delivery(const Invocation& invocation, const json::Value& delivery, std::string_view what) {
  if (invocation.wants_json())
    invocation.print_json(delivery);
  else
    invocation.world.out << "Delivery " << printable(read_view<DeliveryView>(delivery).id) << ' ' << what << ".\n";
  return kOk;
}

// ---- what create and update are told

struct Definition {
  std::string url, description, resource_type, resource_id, run_type, scope, format;
  std::vector<std::string> events;
  std::optional<bool> ordered;
};

void add_definition_options(CLI::App& command, Definition& definition) {
  command.add_option("--events", definition.events, "types such as run.failed, run.* or '*'")->delimiter(',');
  command.add_option("--description", definition.description, "for people");
  command.add_option("--resource-type", definition.resource_type, "only of such resources, e.g. workspace");
  command.add_option("--resource", definition.resource_id, "only of the resource of this id");
  command.add_option("--run-type", definition.run_type, "only runs of this workflow, e.g. workspace.create");
  command.add_option("--scope", definition.scope, "all: everyone's changes (admin only)")->type_name("own|all");
  command.add_option("--format", definition.format, "of the messages")->type_name("standard|cloudevents");
  command.add_flag("--ordered,!--unordered", definition.ordered, "one after another for each resource");
}

// What was given. An empty text takes a filter away where `is_change`.
json::Object to_body(const CLI::App& command, const Definition& definition, bool is_change) {
  json::Object body;
  const auto put = [&](const char* option, const char* name, const std::string& text) {
    if (command.count(option) == 0) return;
    if (text.empty() && is_change)
      body[name] = nullptr;
    else
      body[name] = text;
  };
  if (!definition.url.empty()) body["url"] = definition.url;
  if (!definition.events.empty()) body["eventTypes"] = json::Array(definition.events.begin(), definition.events.end());
  put("--description", "description", definition.description);
  put("--resource-type", "resourceType", definition.resource_type);
  put("--resource", "resourceId", definition.resource_id);
  put("--run-type", "runType", definition.run_type);
  if (!definition.scope.empty()) body["scope"] = definition.scope;
  if (!definition.format.empty()) body["format"] = definition.format;
  if (definition.ordered) body["ordered"] = *definition.ordered;
  return body;
}

// ---- commands

// One that takes a webhook's id.
CLI::App& add_one(CLI::App& group, Invocation& invocation, const std::string& name, const std::string& description,
                  const std::string& example, const Work& work) {
  auto webhook = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, name, description, "  slipway webhooks " + name + " " + example,
                                  [webhook, work] { return work(*webhook); });
  command.add_option("webhook", *webhook, "its id: whe_…")->required()->type_name(kWebhookName);
  return command;
}

void add_list(CLI::App& group, Invocation& invocation) {
  auto all = std::make_shared<bool>(false);
  CLI::App& command = add_command(group, invocation, "list", "List webhooks, and how their receivers answer",
                                  "  slipway webhooks list", [&invocation, all] {
                                    const json::Array webhooks =
                                        invocation.hub().list(*all ? "/v1/webhooks?owner=all" : "/v1/webhooks");
                                    if (invocation.wants_json())
                                      invocation.print_json(webhooks);
                                    else
                                      print_webhooks(invocation, webhooks);
                                    return kOk;
                                  });
  command.alias("ls");
  command.add_flag("--all", *all, "everyone's (admin only)");
}

void add_create(CLI::App& group, Invocation& invocation) {
  auto definition = std::make_shared<Definition>();
  auto self = std::make_shared<CLI::App*>(nullptr);
  CLI::App& command = add_command(
      group, invocation, "create", "Make a webhook; its secret is shown this once",
      "  slipway webhooks create https://example.com/hook --events run.failed,workspace.*",
      [&invocation, definition, self] {
        if (definition->events.empty()) definition->events = {"*"};
        return report_webhook(invocation, invocation.hub().post("/v1/webhooks", to_body(**self, *definition, false)));
      });
  *self = &command;
  command.add_option("target", definition->url, "URL to which messages are sent")->required();
  add_definition_options(command, *definition);
}

void add_update(CLI::App& group, Invocation& invocation) {
  auto definition = std::make_shared<Definition>();
  auto self = std::make_shared<CLI::App*>(nullptr);
  CLI::App& command =
      add_one(group, invocation, "update", "Change what is named; '' takes a filter away",
              "whe_… --events 'run.*' --run-type ''", [&invocation, definition, self](const auto& webhook) {
                return report_webhook(invocation,
                                      invocation.hub().patch(target_of(webhook), to_body(**self, *definition, true)));
              });
  *self = &command;
  command.add_option("--target", definition->url, "URL to which messages are sent");
  add_definition_options(command, *definition);
}

void add_rotate(CLI::App& group, Invocation& invocation) {
  auto grace = std::make_shared<std::string>();
  CLI::App& command =
      add_one(group, invocation, "rotate-secret", "Make a new secret; for a while messages are signed with both",
              "whe_… --grace 1h", [&invocation, grace](const std::string& webhook) {
                json::Object body;
                if (!grace->empty()) {
                  const auto duration =
                      *grace == "0" ? base::Duration(0) : base::parse_duration(*grace).value_or(base::Duration(-1));
                  if (duration.count() < 0) throw base::validation_error("--grace", "must be a time such as 1h, or 0");
                  body["graceMs"] = duration.count();
                }
                return report_webhook(invocation, invocation.hub().post(target_of(webhook) + "/rotate-secret", body));
              });
  command.add_option("--grace", *grace, "how long the old one stays good (a day, if not given)");
}

void add_pause(CLI::App& group, Invocation& invocation) {
  auto reason = std::make_shared<std::string>();
  CLI::App& command =
      add_one(group, invocation, "pause", "Send nothing until it is resumed; what happens waits",
              "whe_… --reason 'the receiver moves'", [&invocation, reason](const std::string& webhook) {
                json::Object body;
                if (!reason->empty()) body["reason"] = *reason;
                return report_webhook(invocation, invocation.hub().post(target_of(webhook) + "/pause", body));
              });
  command.add_option("--reason", *reason, "for people");
}

void add_deliveries(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string status, type, since;
    std::size_t limit = 50;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command =
      add_one(group, invocation, "deliveries", "List deliveries, newest first", "whe_… --status failed --since 2h",
              [&invocation, options](const std::string& webhook) {
                std::string query;
                const auto add = [&query](const char* name, const std::string& value) {
                  if (!value.empty())
                    query += (query.empty() ? "?" : "&") + std::string(name) + "=" + net::percent_encode(value);
                };
                add("status", options->status);
                add("type", options->type);
                if (!options->since.empty()) add("since", read_since(invocation, options->since));
                const json::Array deliveries =
                    invocation.hub().list(target_of(webhook) + "/deliveries" + query, options->limit);
                if (invocation.wants_json())
                  invocation.print_json(deliveries);
                else
                  print_deliveries(invocation, deliveries);
                return kOk;
              });
  command.add_option("--status", options->status, "of this status")->type_name("pending|delivered|failed");
  command.add_option("--type", options->type, "of this type of event");
  command.add_option("--since", options->since, "made since then: a time, or 2h");
  command.add_option("--limit", options->limit, "how many")->capture_default_str();
}

void add_delivery(CLI::App& group, Invocation& invocation) {
  auto delivery = std::make_shared<std::string>();
  CLI::App& command = add_one(group, invocation, "delivery", "Show one delivery, with every attempt", "whe_… whd_…",
                              [&invocation, delivery](const std::string& webhook) {
                                const json::Value detail = invocation.hub().get(target_of(webhook, *delivery));
                                if (invocation.wants_json())
                                  invocation.print_json(detail);
                                else
                                  print_delivery(invocation, read_view<DeliveryDetailView>(detail));
                                return kOk;
                              });
  command.add_option("delivery", *delivery, "its id: whd_…")->required();
}

void add_redeliver(CLI::App& group, Invocation& invocation) {
  auto delivery = std::make_shared<std::string>();
  CLI::App& command =
      add_one(group, invocation, "redeliver", "Send a delivery again, under the same id", "whe_… whd_…",
              [&invocation, delivery](const std::string& webhook) {
                return report_delivery(
                    invocation, invocation.hub().post(target_of(webhook, *delivery) + "/redeliver", json::Object{}),
                    "is sent again");
              });
  command.add_option("delivery", *delivery, "its id: whd_…")->required();
}

void add_recover(CLI::App& group, Invocation& invocation) {
  auto since = std::make_shared<std::string>();
  CLI::App& command =
      add_one(group, invocation, "recover", "Send all deliveries again that failed since a time", "whe_… --since 12h",
              [&invocation, since](const std::string& webhook) {
                const json::Value answer = invocation.hub().post(
                    target_of(webhook) + "/recover", json::Object{{"since", read_since(invocation, *since)}});
                if (invocation.wants_json())
                  invocation.print_json(answer);
                else
                  invocation.world.out << answer.at("count").as_int64() << " deliveries are sent again.\n";
                return kOk;
              });
  command.add_option("--since", *since, "a time, or how long ago: 12h")->required();
}

}  // namespace

void add_webhook_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "webhooks", "Who is told of what happens, and what was delivered");
  group.alias("webhook");
  add_list(group, invocation);
  add_create(group, invocation);
  add_one(group, invocation, "show", "Show a webhook", "whe_…", [&invocation](const std::string& webhook) {
    return report_webhook(invocation, invocation.hub().get(target_of(webhook)));
  });
  add_update(group, invocation);
  add_rotate(group, invocation);
  add_one(group, invocation, "ping", "Send a test message", "whe_…", [&invocation](const std::string& webhook) {
    return report_delivery(invocation, invocation.hub().post(target_of(webhook) + "/ping", json::Object{}), "is sent");
  });
  add_pause(group, invocation);
  add_one(group, invocation, "resume", "Go on after a pause, or after it was disabled", "whe_…",
          [&invocation](const std::string& webhook) {
            return report_webhook(invocation, invocation.hub().post(target_of(webhook) + "/resume", json::Object{}));
          });
  add_one(group, invocation, "delete", "Take a webhook away, with its deliveries", "whe_…",
          [&invocation](const std::string& webhook) {
            const json::Value answer = invocation.hub().remove(target_of(webhook));
            if (invocation.wants_json())
              invocation.print_json(answer);
            else
              invocation.world.out << "Webhook " << printable(webhook) << " is deleted.\n";
            return kOk;
          })
      .alias("rm");
  add_deliveries(group, invocation);
  add_delivery(group, invocation);
  add_redeliver(group, invocation);
  add_recover(group, invocation);
}

}  // namespace slipway::app::cli
