// messages list, show, replay (admin only).

#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

struct MessageView {
  std::string id, subscription, message_id, outcome;
  std::int64_t deliveries = 1;
  base::Instant received_at;
  std::optional<base::Instant> published_at, replayed_at;
  std::optional<std::string> run_id, reason, explanation, ordering_key, dead_letter_message_id, dead_letter_run_id,
      replayed_by, data, data_base64;
  std::map<std::string, std::string> attributes;
};
SLIPWAY_JSON_CAMEL(MessageView, id, subscription, message_id, outcome, deliveries, received_at, published_at,
                   replayed_at, run_id, reason, explanation, ordering_key, dead_letter_message_id, dead_letter_run_id,
                   replayed_by, data, data_base64, attributes)

struct ReplayedView {
  RunView run;
};
SLIPWAY_JSON_CAMEL(ReplayedView, run)

std::string target_of(const std::string& message) { return "/v1/messages/" + net::percent_encode(message); }

std::string text_or_empty(const std::optional<std::string>& text) { return text ? printable(*text) : ""; }

void print_messages(const Invocation& invocation, const json::Array& messages) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  constexpr std::size_t kWhyWidth = 60;
  Table table({"ID", "PUB/SUB ID", "OUTCOME", "AGE", "TIMES", "RUN", "REASON", "WHY"});
  for (const json::Value& value : messages) {
    const auto message = read_view<MessageView>(value);
    table.add({printable(message.id), printable(message.message_id), style.status(message.outcome),
               age(message.received_at, now), std::to_string(message.deliveries), text_or_empty(message.run_id),
               text_or_empty(message.reason), printable(fit(message.explanation.value_or(""), kWhyWidth))});
  }
  table.print(invocation.world.out, style);
}

std::string joined(const std::map<std::string, std::string>& attributes) {
  std::string text;
  for (const auto& [name, value] : attributes)
    text += (text.empty() ? "" : " ") + printable(name) + "=" + printable(value);
  return text;
}

void print_message(const Invocation& invocation, const MessageView& message) {
  const base::Instant now = invocation.world.clock.now();
  const Style style = invocation.out_style();
  Facts facts;
  facts.add("Message", printable(message.id));
  facts.add("Subscription", printable(message.subscription));
  facts.add("Pub/Sub id", printable(message.message_id));
  facts.add("Outcome", style.status(message.outcome));
  facts.add("Run", text_or_empty(message.run_id));
  facts.add("Reason", text_or_empty(message.reason));
  facts.add("Why", text_or_empty(message.explanation));
  facts.add("Published", message.published_at ? base::format_rfc3339(*message.published_at) : "");
  facts.add("Received", std::to_string(message.deliveries) + (message.deliveries == 1 ? " time, " : " times, first ") +
                            age(message.received_at, now) + " ago");
  facts.add("Ordering key", text_or_empty(message.ordering_key));
  facts.add("Dead letter",
            message.dead_letter_message_id
                ? "published as " + printable(*message.dead_letter_message_id)
                : (message.dead_letter_run_id ? "by run " + printable(*message.dead_letter_run_id) : ""));
  facts.add("Replayed", message.replayed_at ? "by " + text_or_empty(message.replayed_by) + ", " +
                                                  age(*message.replayed_at, now) + " ago"
                                            : "");
  facts.add("Attributes", joined(message.attributes));
  facts.add("Data", message.data ? printable(*message.data)
                                 : (message.data_base64 ? "base64: " + printable(*message.data_base64) : ""));
  facts.print(invocation.world.out, style);
}

void add_list(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string outcome, subscription, since;
    std::size_t limit = 50;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "list", "List messages and what was made of them, newest first",
      "  slipway messages list\n  slipway messages list --outcome refused --since 1d", [&invocation, options] {
        std::string target = "/v1/messages";
        const auto ask = [&target](std::string_view name, const std::string& value) {
          if (value.empty()) return;
          target += (target.contains('?') ? "&" : "?") + std::string(name) + "=" + net::percent_encode(value);
        };
        ask("outcome", options->outcome);
        ask("subscription", options->subscription);
        if (!options->since.empty()) ask("since", as_time(options->since, invocation.world.clock.now()));
        const json::Array messages = invocation.hub().list(target, options->limit);
        if (invocation.wants_json())
          invocation.print_json(messages);
        else
          print_messages(invocation, messages);
        return kOk;
      });
  command.alias("ls");
  command.add_option("--outcome", options->outcome, "accepted or refused");
  command.add_option("--subscription", options->subscription, "its full name");
  command.add_option("--since", options->since, "a time, or how long ago, such as 2h");
  command.add_option("--limit", options->limit, "how many, at most")->capture_default_str();
}

void add_show(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, "show", "Show a message: what came, and why it was refused",
                                  "  slipway messages show msg_01JH…", [&invocation, id] {
                                    const json::Value message = invocation.hub().get(target_of(*id));
                                    if (invocation.wants_json())
                                      invocation.print_json(message);
                                    else
                                      print_message(invocation, read_view<MessageView>(message));
                                    return kOk;
                                  });
  command.add_option("message", *id, "its id")->required()->type_name(kMessageId);
}

// ---- replay

struct ReplayOptions {
  std::string id, data, since;
  bool all_refused = false;
};

json::Value read_data(Invocation& invocation, const std::string& file) {
  std::string text;
  if (file == "-") {
    text.assign(std::istreambuf_iterator<char>(invocation.world.in), {});
  } else {
    std::ifstream in(invocation.world.working_directory / file);
    if (!in) throw base::validation_error("--order", "cannot read " + file);
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  return json::parse_value(text, "--order");
}

int replay_one(Invocation& invocation, const ReplayOptions& options) {
  json::Object body;
  if (!options.data.empty()) body["data"] = read_data(invocation, options.data);
  const json::Value accepted = invocation.hub().post(target_of(options.id) + "/replay", body);
  if (invocation.wants_json())
    invocation.print_json(accepted);
  else
    invocation.world.out << "Run " << printable(read_view<ReplayedView>(accepted).run.id) << " does it.\n";
  return kOk;
}

// Each for itself: one that still cannot work does not keep the others from it.
int replay_all(Invocation& invocation, const ReplayOptions& options) {
  std::string target = "/v1/messages?outcome=refused";
  if (!options.since.empty())
    target += "&since=" + net::percent_encode(as_time(options.since, invocation.world.clock.now()));
  std::size_t replayed = 0, failed = 0;
  json::Array results;
  for (const json::Value& value : invocation.hub().list(target)) {
    const auto message = read_view<MessageView>(value);
    try {
      results.push_back(invocation.hub().post(target_of(message.id) + "/replay", json::Object{}));
      ++replayed;
    } catch (const base::Error& error) {
      if (error.error_class() != base::ErrorClass::user && error.error_class() != base::ErrorClass::conflict) throw;
      ++failed;
      invocation.say(printable(message.id) + ": " + printable(error.message()));
    }
  }
  if (invocation.wants_json())
    invocation.print_json(results);
  else
    invocation.world.out << replayed << " replayed, " << failed << " still refused.\n";
  return failed == 0 ? kOk : kFailed;
}

void add_replay(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<ReplayOptions>();
  CLI::App& command = add_command(
      group, invocation, "replay", "Do a refused message again, as it came or corrected",
      "  slipway messages replay msg_01JH… --order corrected.json\n  slipway messages replay --all-refused --since 1d",
      [&invocation, options] {
        if (options->all_refused) return replay_all(invocation, *options);
        if (options->id.empty()) throw base::validation_error("message", "give an id, or --all-refused");
        return replay_one(invocation, *options);
      });
  auto* id = command.add_option("message", options->id, "its id")->type_name(kMessageId);
  auto* data = command.add_option("--order", options->data, "a file with the order as it should have been; - is stdin");
  auto* all = command.add_flag("--all-refused", options->all_refused, "every refused message, as it came");
  all->excludes(id)->excludes(data);
  command.add_option("--since", options->since, "only those received since: a time, or how long ago")->needs(all);
}

}  // namespace

void add_message_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "messages", "What the Pub/Sub subscription delivered (admin only)");
  group.alias("message");
  add_list(group, invocation);
  add_show(group, invocation);
  add_replay(group, invocation);
}

}  // namespace slipway::app::cli
