#include "simulator/files.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace slipway::simulator {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::hours kSubjectTokenLifetime{24 * 30};  // a file is not written again

// Readable by its owner only: keys are in it.
void write_private(const fs::path& path, const std::string& text) {
  const fs::path next = path.string() + ".next";
  {
    std::ofstream file(next, std::ios::trunc);
    fs::permissions(next, fs::perms::owner_read | fs::perms::owner_write);
    file << text;
    file.flush();
    if (!file) throw base::system_error("writing " + next.string(), errno);
  }
  fs::rename(next, path);
}

}  // namespace

WorldState read_state(const std::string& path) {
  std::ifstream file(path);
  if (!file) return {};
  std::stringstream text;
  text << file.rdbuf();
  return json::from_value<WorldState>(boost::json::parse(text.str()), json::Mode::lenient);
}

void write_state(const World& world, const std::string& path) {
  write_private(path, json::print(world.state()) + "\n");
}

void write_credentials(const World& world, const std::string& folder) {
  const fs::path base(folder);
  fs::create_directories(base);
  const Identity& identity = world.identity;
  const fs::path subject = fs::absolute(base / "subject-token.jwt");
  write_private(subject, identity.subject_token(world.now(), kSubjectTokenLifetime));
  write_private(base / "service-account.json", json::print_value(identity.service_account_file(world.base_url)) + "\n");
  write_private(base / "external-account.json",
                json::print_value(identity.external_account_file(world.base_url, "")) + "\n");
  write_private(base / "external-account-file.json",
                json::print_value(identity.external_account_file(world.base_url, subject.string())) + "\n");
}

}  // namespace slipway::simulator
