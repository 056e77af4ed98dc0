// queues list, show, set, pause, resume, delete (admin only).

#include <CLI/CLI.hpp>
#include <charconv>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

std::string target_of(const std::string& name) { return "/v1/queues/" + net::percent_encode(name); }

std::string number_or_dash(const std::optional<std::int64_t>& number) { return number ? std::to_string(*number) : "-"; }

std::string in_words(const std::optional<RateView>& rate) {
  return rate ? std::to_string(rate->count) + "/" + base::format_duration(rate->period_ms) : "-";
}

std::string waiting_for(const std::optional<base::Instant>& since, base::Instant now) {
  return since ? age(*since, now) : "";
}

void print_queues(const Invocation& invocation, const json::Array& queues) {
  const base::Instant now = invocation.world.clock.now();
  Table table({"NAME", "WAITING", "LONGEST", "AT WORK", "CONCURRENCY", "PER KEY", "RATE", "SIZE", "PAUSED"});
  for (const json::Value& value : queues) {
    const auto queue = read_view<QueueView>(value);
    table.add({printable(queue.name), std::to_string(queue.waiting), waiting_for(queue.waiting_since, now),
               std::to_string(queue.admitted), number_or_dash(queue.concurrency), number_or_dash(queue.key_concurrency),
               in_words(queue.rate), number_or_dash(queue.size),
               queue.paused ? printable("by " + queue.paused->by) : ""});
  }
  table.print(invocation.world.out, invocation.out_style());
}

void print_queue(const Invocation& invocation, const QueueView& queue) {
  const base::Instant now = invocation.world.clock.now();
  Facts facts;
  facts.add("Queue", printable(queue.name));
  facts.add("Waiting", std::to_string(queue.waiting) +
                           (queue.waiting_since ? ", the longest for " + age(*queue.waiting_since, now) : ""));
  facts.add("At work", std::to_string(queue.admitted));
  facts.add("Concurrency", number_or_dash(queue.concurrency));
  facts.add("Per key", number_or_dash(queue.key_concurrency));
  facts.add("Rate", in_words(queue.rate));
  facts.add("Size", number_or_dash(queue.size));
  if (queue.paused)
    facts.add("Paused",
              printable("by " + queue.paused->by + (queue.paused->reason.empty() ? "" : ": " + queue.paused->reason)));
  facts.print(invocation.world.out, invocation.out_style());
  if (queue.keys.empty()) return;
  Table table({"KEY", "WAITING", "LONGEST", "AT WORK"});
  for (const auto& key : queue.keys)
    table.add({printable(key.key.empty() ? "(none)" : key.key), std::to_string(key.waiting),
               waiting_for(key.waiting_since, now), std::to_string(key.admitted)});
  table.print(invocation.world.out, invocation.out_style());
}

int report_queue(Invocation& invocation, const json::Value& queue) {
  if (invocation.wants_json())
    invocation.print_json(queue);
  else
    print_queue(invocation, read_view<QueueView>(queue));
  return kOk;
}

void add_list(CLI::App& group, Invocation& invocation) {
  CLI::App& command = add_command(group, invocation, "list", "List queues, and how full they are",
                                  "  slipway queues list", [&invocation] {
                                    const json::Value queues = invocation.hub().get("/v1/queues");
                                    if (invocation.wants_json())
                                      invocation.print_json(queues);
                                    else
                                      print_queues(invocation, queues.as_array());
                                    return kOk;
                                  });
  command.alias("ls");
}

void add_show(CLI::App& group, Invocation& invocation) {
  auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(
      group, invocation, "show", "Show a queue, and which keys wait in it", "  slipway queues show workspaces",
      [&invocation, name] { return report_queue(invocation, invocation.hub().get(target_of(*name))); });
  command.add_option("name", *name, "of the queue")->required();
}

// "10/1m": so many in so long.
json::Value read_rate(const std::string& text) {
  const auto slash = text.find('/');
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + std::min(slash, text.size()), count);
  const auto period = slash == std::string::npos ? std::nullopt : base::parse_duration(text.substr(slash + 1));
  if (failure != std::errc() || end != text.data() + slash || !period)
    throw base::validation_error("--rate", "must be a count and a time, such as 10/1m");
  return json::Object{{"count", count}, {"periodMs", period->count()}};
}

void add_set(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name, rate;
    std::optional<std::int64_t> concurrency, key_concurrency, size;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "set", "Make a queue, or set its limits anew: what is left out is not limited",
      "  slipway queues set workspaces --concurrency 20 --key-concurrency 3\n  slipway queues set mail --rate 100/1m",
      [&invocation, options] {
        json::Object body;
        if (options->concurrency) body["concurrency"] = *options->concurrency;
        if (options->key_concurrency) body["keyConcurrency"] = *options->key_concurrency;
        if (options->size) body["size"] = *options->size;
        if (!options->rate.empty()) body["rate"] = read_rate(options->rate);
        return report_queue(invocation, invocation.hub().put(target_of(options->name), body));
      });
  command.add_option("name", options->name, "of the queue")->required();
  command.add_option("--concurrency", options->concurrency, "runs at work at a time");
  command.add_option("--key-concurrency", options->key_concurrency, "the same for each key, e.g. for each owner");
  command.add_option("--rate", options->rate, "runs that begin in a time, e.g. 10/1m");
  command.add_option("--size", options->size, "runs that wait; more are refused");
}

void add_pause(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name, reason;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command =
      add_command(group, invocation, "pause", "Let nobody in until it is resumed; what is at work goes on",
                  "  slipway queues pause workspaces --reason 'the zone is down'", [&invocation, options] {
                    json::Object body{{"paused", true}};
                    if (!options->reason.empty()) body["reason"] = options->reason;
                    return report_queue(invocation, invocation.hub().patch(target_of(options->name), body));
                  });
  command.add_option("name", options->name, "of the queue")->required();
  command.add_option("--reason", options->reason, "shown to all who ask why they wait");
}

void add_resume(CLI::App& group, Invocation& invocation) {
  auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(
      group, invocation, "resume", "Let them in again", "  slipway queues resume workspaces", [&invocation, name] {
        return report_queue(invocation, invocation.hub().patch(target_of(*name), json::Object{{"paused", false}}));
      });
  command.add_option("name", *name, "of the queue")->required();
}

void add_delete(CLI::App& group, Invocation& invocation) {
  auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, "delete", "Delete a queue: who waits in it begins",
                                  "  slipway queues delete workspaces", [&invocation, name] {
                                    const json::Value answer = invocation.hub().remove(target_of(*name));
                                    if (invocation.wants_json())
                                      invocation.print_json(answer);
                                    else
                                      invocation.world.out << "Queue " << printable(*name) << " is deleted.\n";
                                    return kOk;
                                  });
  command.alias("rm");
  command.add_option("name", *name, "of the queue")->required();
}

}  // namespace

void add_queue_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "queues", "How many runs may be at work at a time, and who waits (admin only)");
  group.alias("queue");
  add_list(group, invocation);
  add_show(group, invocation);
  add_set(group, invocation);
  add_pause(group, invocation);
  add_resume(group, invocation);
  add_delete(group, invocation);
}

}  // namespace slipway::app::cli
