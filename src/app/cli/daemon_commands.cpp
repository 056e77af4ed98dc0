// daemons list, and daemons keys list, create, delete.

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/assignments.h"
#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {
namespace {

using Tags = std::map<std::string, std::string>;

struct DaemonView {
  std::string id, name, version, status;
  std::vector<std::string> provisioners;
  Tags tags;
  std::int64_t runners = 0, busy = 0;
  base::Instant seen_at;
};
SLIPWAY_JSON_CAMEL(DaemonView, id, name, version, status, provisioners, tags, runners, busy, seen_at)

struct KeyView {
  std::string id, name;
  std::optional<Tags> tags;
  base::Instant created_at;
  std::optional<base::Instant> used_at;
  std::string key;  // of one that was just made
};
SLIPWAY_JSON_CAMEL(KeyView, id, name, tags, created_at, used_at, key)

constexpr std::string_view kKeys = "/v1/daemon-keys";

std::string in_words(const Tags& tags) {
  std::string text;
  for (const auto& [name, value] : tags) text += (text.empty() ? "" : ", ") + printable(name + "=" + value);
  return text;
}

std::string in_words(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + printable(name);
  return text;
}

void print_daemons(const Invocation& invocation, const json::Array& daemons) {
  const base::Instant now = invocation.world.clock.now();
  Table table({"ID", "NAME", "STATUS", "BUSY", "PROVISIONERS", "TAGS", "VERSION", "SEEN"});
  for (const json::Value& value : daemons) {
    const auto daemon = read_view<DaemonView>(value);
    table.add({printable(daemon.id), printable(daemon.name), printable(daemon.status),
               std::to_string(daemon.busy) + "/" + std::to_string(daemon.runners), in_words(daemon.provisioners),
               in_words(daemon.tags), printable(daemon.version), age(daemon.seen_at, now)});
  }
  table.print(invocation.world.out, invocation.out_style());
}

void print_keys(const Invocation& invocation, const json::Array& keys) {
  const base::Instant now = invocation.world.clock.now();
  Table table({"ID", "NAME", "TAGS", "AGE", "USED"});
  for (const json::Value& value : keys) {
    const auto key = read_view<KeyView>(value);
    table.add({printable(key.id), printable(key.name), key.tags ? in_words(*key.tags) : "any", age(key.created_at, now),
               key.used_at ? age(*key.used_at, now) : "never"});
  }
  table.print(invocation.world.out, invocation.out_style());
}

void add_list(CLI::App& group, Invocation& invocation) {
  CLI::App& command = add_command(group, invocation, "list", "List provisioner daemons, and what each does",
                                  "  slipway daemons list", [&invocation] {
                                    const auto answer = invocation.hub().get("/v1/daemons");
                                    const auto& daemons = answer.as_object().at("daemons");
                                    if (invocation.wants_json())
                                      invocation.print_json(daemons);
                                    else
                                      print_daemons(invocation, daemons.as_array());
                                    return kOk;
                                  });
  command.alias("ls");
}

void add_list_keys(CLI::App& group, Invocation& invocation) {
  CLI::App& command = add_command(group, invocation, "list", "List keys of daemons, without the keys themselves",
                                  "  slipway daemons keys list", [&invocation] {
                                    const auto answer = invocation.hub().get(std::string(kKeys));
                                    const auto& keys = answer.as_object().at("keys");
                                    if (invocation.wants_json())
                                      invocation.print_json(keys);
                                    else
                                      print_keys(invocation, keys.as_array());
                                    return kOk;
                                  });
  command.alias("ls");
}

void add_create_key(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name;
    std::vector<std::string> tags;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "create", "Make a key for daemons; it is shown this once",
      "  slipway daemons keys create office\n  slipway daemons keys create gpus --tag kind=gpu --tag zone=a",
      [&invocation, options] {
        json::Object body{{"name", options->name}};
        if (!options->tags.empty()) body["tags"] = json::to_value(read_assignments("--tag", options->tags));
        const auto answer = invocation.hub().post(std::string(kKeys), body);
        if (invocation.wants_json()) {
          invocation.print_json(answer);
          return kOk;
        }
        invocation.world.out << printable(read_view<KeyView>(answer).key) << "\n";
        invocation.say("this key is not shown again; a daemon takes it as SLIPWAY_DAEMON_KEY");
        return kOk;
      });
  command.add_option("name", options->name, "what it is for")->required();
  command.add_option("--tag", options->tags,
                     "a tag that its daemons may have, name=value; may be repeated. Without: any");
}

void add_delete_key(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, "delete", "Take a key away: its daemons are refused from now on",
                                  "  slipway daemons keys delete dky_01JH…", [&invocation, id] {
                                    const auto answer =
                                        invocation.hub().remove(std::string(kKeys) + "/" + net::percent_encode(*id));
                                    if (invocation.wants_json())
                                      invocation.print_json(answer);
                                    else
                                      invocation.world.out << "Key " << printable(*id) << " is deleted.\n";
                                    return kOk;
                                  });
  command.alias("rm");
  command.add_option("key", *id, "its id")->required();
}

}  // namespace

void add_daemon_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "daemons", "Provisioner daemons, and the keys that they show");
  group.alias("daemon");
  add_list(group, invocation);
  CLI::App& keys = add_group(group, "keys", "The keys that daemons show (admin only)");
  keys.alias("key");
  add_list_keys(keys, invocation);
  add_create_key(keys, invocation);
  add_delete_key(keys, invocation);
}

}  // namespace slipway::app::cli
