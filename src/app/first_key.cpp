#include "app/first_key.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "base/unique_fd.h"
#include "fleet/audit.h"
#include "fleet/identity.h"

namespace slipway::app {
namespace {

constexpr std::string_view kAdminName = "admin";

struct ClientFile {
  std::string url;
  base::Secret key;
};
SLIPWAY_JSON_SNAKE(ClientFile, url, key)

std::optional<base::Secret> read_key(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  if (!stream) return std::nullopt;
  try {
    return json::parse<ClientFile>(text.str(), json::Mode::lenient).key;
  } catch (const base::Error&) {
    return std::nullopt;  // half a file of an earlier crash: a new key replaces it
  }
}

}  // namespace

base::Secret ensure_admin_key(store::Database& database, base::IdGenerator& ids, const base::Clock& clock,
                              const std::filesystem::path& client_file) {
  if (auto key = read_key(client_file)) {
    bool known = false;
    database.read_and_wait(
        [&](store::Transaction& tx) { known = fleet::find_key_by_hash(tx, fleet::hash_of(*key)).has_value(); });
    if (known) return *std::move(key);
  }
  const auto key = fleet::make_key();
  const auto now = clock.now();
  const auto new_user = ids.make<base::UserId>();
  const auto key_id = ids.make<base::KeyId>();
  database.write_and_wait([&](store::Transaction& tx) {
    auto admin = fleet::find_admin(tx, std::string(kAdminName));
    if (!admin) {
      admin = fleet::User{new_user, std::string(kAdminName), fleet::Role::admin, now};
      fleet::insert_user(tx, *admin);
    }
    fleet::insert_key(tx, {key_id, "command line", admin->id, admin->name, admin->role, now}, fleet::hash_of(key));
    fleet::audit(tx, {.at = now,
                      .actor_id = admin->id.str(),
                      .action = "api-key.create",
                      .resource_type = "api-key",
                      .resource_id = key_id.str(),
                      .request_id = {},
                      .remote = "start of the hub",
                      .details = json::Object{}});
  });
  write_client_file(client_file, "", key);
  return key;
}

void write_client_file(const std::filesystem::path& client_file, const std::string& url, const base::Secret& key) {
  const std::string text = json::print(ClientFile{url, key}, json::Secrets::revealed) + "\n";
  const std::string draft = client_file.string() + ".new";
  ::unlink(draft.c_str());
  base::UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != ssize_t(text.size()) || ::fsync(fd.get()) != 0 ||
      ::rename(draft.c_str(), client_file.c_str()) != 0)
    throw base::system_error("writing " + client_file.string(), errno);
}

}  // namespace slipway::app
