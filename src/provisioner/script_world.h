#pragma once
// What a scripted provisioner has made: its state, and the folder in which its resources are files, so that tests can
// compare the two.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "provisioner/protocol.h"

namespace slipway::provisioner {

struct ScriptThing {
  std::string address, type, name;
  std::string id;     // of its workspace and address: made twice, it is the same thing
  bool made = false;  // false: announced, and perhaps there
  std::int64_t daily_cost = 0;
  std::map<std::string, std::string> attributes;
};
SLIPWAY_JSON_SNAKE(ScriptThing, address, type, name, id, made, daily_cost, attributes)

struct ScriptState {
  std::int64_t serial = 0;  // grows with each writing
  std::string note;
  std::map<std::string, ScriptThing> things;  // by address
};
SLIPWAY_JSON_SNAKE(ScriptState, serial, note, things)

// An empty path: none yet. Throws STATE_INVALID.
ScriptState read_script_state(const std::string& file);
void write_script_state(const ScriptState& state, const std::string& file);
std::string script_thing_id(const std::string& workspace_id, const std::string& address);
Resource to_resource(const ScriptThing& thing, fleet::ResourceAction action);

// A folder with one file for each thing, named by its id, and `journal`: a line for each change, 'create ID BUILD',
// 'adopt ID BUILD' (was there already), 'update …', 'destroy …', and 'overlap WORKSPACE BUILD' where two applies of a
// workspace met. Every call may be repeated.
class ScriptWorld {
 public:
  // An empty folder: nothing is really made.
  explicit ScriptWorld(std::filesystem::path folder);
  void make(const ScriptThing& thing, const std::string& build_id);
  void destroy(const ScriptThing& thing, const std::string& build_id);
  // Whether this apply may begin: another one of the same workspace, also of another process, is not under way. Held
  // until this world goes.
  bool try_enter(const std::string& workspace_id);
  void record(const std::string& what, const std::string& id, const std::string& build_id);

 private:
  std::filesystem::path folder_;
  base::UniqueFd turn_;
};

}  // namespace slipway::provisioner
