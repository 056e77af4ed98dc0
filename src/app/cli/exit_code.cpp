#include "app/cli/exit_code.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "app/cli/hub_address.h"
#include "app/cli/transport.h"

namespace slipway::app::cli {

namespace {

struct Rule {
  std::string_view code;
  ExitCode exit_code;
  std::string_view hint;
};

// By the error's code first: it is part of the API's contract. Codes that are not listed go by their class.
constexpr auto kRules = std::to_array<Rule>({
    {"VALIDATION_ERROR", kUsage, ""},
    {"PAYLOAD_TOO_LARGE", kUsage, ""},
    {"NOT_FOUND", kNotFound, ""},
    {"FILE_NOT_FOUND", kNotFound, ""},
    {"CONFLICT", kConflict, ""},
    {"INVALID_STATE_TRANSITION", kConflict, "`slipway why NAME` tells what it is waiting for"},
    {"IDEMPOTENCY_KEY_IN_PROGRESS", kConflict, "the first request with this key is still at work"},
    {"IDEMPOTENCY_KEY_REUSED", kConflict, "use another --idempotency-key: this one belongs to another request"},
    {"PRECONDITION_FAILED", kConflict, ""},
    {"UNAUTHORIZED", kUnauthorized, "check --key, SLIPWAY_KEY or the key in client.json"},
    {"FORBIDDEN", kUnauthorized, ""},
    {kNoHubFound, kUnreachable,
     "start one with `slipway serve`, or name one with --data DIR, or --url and --key (SLIPWAY_URL, SLIPWAY_KEY)"},
    {kHubUnreachable, kUnreachable, "is the hub running? `slipway serve` starts one"},
    {"STORE_UNAVAILABLE", kUnreachable, "the hub lost its database; it heals by itself when that is back"},
    {"STORE_BUSY", kUnreachable, ""},
    {"STORE_FULL", kUnreachable, "the hub's disk is full"},
});

// What lists the things that a NOT_FOUND speaks of.
struct Lister {
  std::string_view resource, command;
};
constexpr auto kListers = std::to_array<Lister>({
    {"API key", "key list"},
    {"alert", "alerts list"},
    {"build", "builds list WORKSPACE"},
    {"daemon key", "daemons keys list"},
    {"group", "groups list"},
    {"job", "jobs list"},
    {"message", "messages list"},
    {"organization", "organizations list"},
    {"queue", "queues list"},
    {"run", "runs list"},
    {"schedule", "schedules list"},
    {"template", "template list"},
    {"template version", "template versions NAME"},
    {"webhook", "webhooks list"},
    {"webhook delivery", "webhooks deliveries ID"},
    {"workspace", "workspace list"},
    {"workstation", "workstations list"},
});

std::string where_listed(const base::Error& error) {
  const auto* details = error.details().if_object();
  const auto* resource = details == nullptr ? nullptr : details->if_contains("resource");
  if (resource == nullptr || !resource->is_string()) return "";
  const auto lister = std::ranges::find(kListers, std::string_view(resource->get_string()), &Lister::resource);
  return lister == kListers.end() ? "" : "`slipway " + std::string(lister->command) + "` shows what is there";
}

const Rule* rule_for(const base::Error& error) {
  for (const Rule& rule : kRules)
    if (rule.code == error.code()) return &rule;
  return nullptr;
}

}  // namespace

ExitCode exit_code_for(const base::Error& error) {
  if (const Rule* rule = rule_for(error)) return rule->exit_code;
  return error.error_class() == base::ErrorClass::conflict ? kConflict : kFailed;
}

std::string hint_for(const base::Error& error) {
  if (error.code() == "NOT_FOUND") return where_listed(error);
  const Rule* rule = rule_for(error);
  return rule == nullptr ? "" : std::string(rule->hint);
}

}  // namespace slipway::app::cli
