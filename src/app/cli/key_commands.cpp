// key create, list, delete: API keys (admin only).

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/table.h"
#include "app/cli/views.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

void add_create(CLI::App& group, Invocation& invocation) {
  struct Options {
    std::string name, user_id, role;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, invocation, "create", "Make a key; it is shown this once",
      "  slipway key create laptop\n  KEY=$(slipway key create ci --role member 2>/dev/null)", [&invocation, options] {
        json::Object body{{"name", options->name}};
        if (!options->user_id.empty()) body["user_id"] = options->user_id;
        if (!options->role.empty()) body["role"] = options->role;
        const json::Value created = invocation.hub().post("/v1/api-keys", body);
        if (invocation.wants_json()) {
          invocation.print_json(created);
          return kOk;
        }
        const auto key = read_view<KeyView>(created);
        invocation.world.err << "Key " << printable(key.id) << " for " << printable(key.user_id.value_or("you"))
                             << "; keep it, it is not shown again:\n";
        invocation.world.out << printable(key.key.value_or("")) << '\n';
        return kOk;
      });
  command.add_option("name", options->name, "what it is for")->required();
  auto* user = command.add_option("--user", options->user_id, "whose: a user id; a new user if not given");
  command.add_option("--role", options->role, "what a new user may do")->excludes(user)->type_name("member|admin");
}

void add_list(CLI::App& group, Invocation& invocation) {
  CLI::App& command = add_command(
      group, invocation, "list", "List keys (never the keys themselves)", "  slipway key list", [&invocation] {
        const json::Array keys = invocation.hub().list("/v1/api-keys");
        if (invocation.wants_json()) {
          invocation.print_json(keys);
          return kOk;
        }
        const base::Instant now = invocation.world.clock.now();
        Table table({"ID", "NAME", "USER", "ROLE", "AGE", "LAST USED"});
        for (const json::Value& value : keys) {
          const auto key = read_view<KeyView>(value);
          table.add({printable(key.id), printable(key.name), printable(key.user_id.value_or("")),
                     printable(key.role.value_or("")), key.created_at ? age(*key.created_at, now) : "",
                     key.last_used_at ? age(*key.last_used_at, now) : "never"});
        }
        table.print(invocation.world.out, invocation.out_style());
        return kOk;
      });
  command.alias("ls");
}

void add_delete(CLI::App& group, Invocation& invocation) {
  auto id = std::make_shared<std::string>();
  CLI::App& command = add_command(group, invocation, "delete", "Delete a key: it opens nothing from now on",
                                  "  slipway key delete key_01jh2k7v5m8q3w9x4y6z0abcde", [&invocation, id] {
                                    const json::Value answer =
                                        invocation.hub().remove("/v1/api-keys/" + net::percent_encode(*id));
                                    if (invocation.wants_json())
                                      invocation.print_json(answer);
                                    else
                                      invocation.world.out << "Key " << printable(*id) << " is deleted.\n";
                                    return kOk;
                                  });
  command.alias("rm");
  command.add_option("id", *id, "id of the key")->required();
}

}  // namespace

void add_key_commands(CLI::App& app, Invocation& invocation) {
  CLI::App& group = add_group(app, "key", "API keys (admin only)");
  add_create(group, invocation);
  add_list(group, invocation);
  add_delete(group, invocation);
}

}  // namespace slipway::app::cli
