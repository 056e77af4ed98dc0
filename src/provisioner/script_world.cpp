#include "provisioner/script_world.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/digest.h"

namespace slipway::provisioner {

ScriptState read_script_state(const std::string& file) {
  if (file.empty()) return {};
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream) throw base::system_error("read the state " + file, errno);
  if (text.view().empty()) return {};
  try {
    return json::parse<ScriptState>(text.view(), json::Mode::lenient);
  } catch (const base::Error& error) {
    throw base::Error(base::ErrorClass::user, "STATE_INVALID",
                      "the state is none of a scripted provisioner: " + error.message());
  }
}

void write_script_state(const ScriptState& state, const std::string& file) {
  const std::string next = file + ".next";
  std::ofstream stream(next, std::ios::binary | std::ios::trunc);
  stream << json::print(state) << std::flush;
  if (!stream) throw base::system_error("write the state " + next, errno);
  std::filesystem::rename(next, file);
}

std::string script_thing_id(const std::string& workspace_id, const std::string& address) {
  return base::sha256_hex(workspace_id + '/' + address).substr(0, 24);
}

Resource to_resource(const ScriptThing& thing, fleet::ResourceAction action) {
  return {.address = thing.address,
          .type = thing.type,
          .name = thing.name,
          .action = action,
          .daily_cost = action == fleet::ResourceAction::destroy ? 0 : thing.daily_cost,
          .details = thing.attributes};
}

ScriptWorld::ScriptWorld(std::filesystem::path folder) : folder_(std::move(folder)) {
  if (!folder_.empty()) std::filesystem::create_directories(folder_);
}

void ScriptWorld::record(const std::string& what, const std::string& id, const std::string& build_id) {
  if (folder_.empty()) return;
  const std::string line = what + ' ' + id + ' ' + build_id + '\n';
  const base::UniqueFd journal(::open((folder_ / "journal").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (::write(journal.get(), line.data(), line.size()) != ssize_t(line.size()))
    throw base::system_error("write the world's journal", errno);
}

void ScriptWorld::make(const ScriptThing& thing, const std::string& build_id) {
  if (folder_.empty()) return;
  const auto file = folder_ / thing.id;
  const bool was_there = std::filesystem::exists(file);
  const auto next = folder_ / ("." + thing.id + ".next");
  std::ofstream(next, std::ios::binary | std::ios::trunc) << json::print(thing);
  std::filesystem::rename(next, file);
  record(!was_there ? "create" : thing.made ? "update" : "adopt", thing.id, build_id);
}

void ScriptWorld::destroy(const ScriptThing& thing, const std::string& build_id) {
  if (folder_.empty()) return;
  if (std::filesystem::remove(folder_ / thing.id)) record("destroy", thing.id, build_id);
}

bool ScriptWorld::try_enter(const std::string& workspace_id) {
  if (folder_.empty() || turn_) return true;
  const auto file = folder_ / (".turn-" + base::sha256_hex(workspace_id).substr(0, 24));
  base::UniqueFd turn(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!turn) throw base::system_error("open " + file.string(), errno);
  if (::flock(turn.get(), LOCK_EX | LOCK_NB) != 0) return false;
  turn_ = std::move(turn);
  return true;
}

}  // namespace slipway::provisioner
