#pragma once
// Control groups: what holds a machine to its memory, processors and processes, freezes it, and kills all of it at
// once.
//
// Works with version 1 controllers, version 2, and both together. What this host allows us is found out once, by
// trying: as root nearly always everything, as an ordinary user only what was delegated. What is not possible is said
// in plain words, per limit.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "providers/provider.h"

namespace slipway::providers::sandbox {

// The groups of one machine, by their absolute paths as recorded before they were made. All calls are idempotent.
class MachineCgroups {
 public:
  MachineCgroups() = default;
  explicit MachineCgroups(std::vector<std::string> paths) : paths_(std::move(paths)) {}
  const std::vector<std::string>& paths() const { return paths_; }

  // Makes the groups and sets the limits. Returns what could not be set, and why, by limit.
  std::map<std::string, std::string> make(const MachineType& type) const;
  // For Command::cgroups.
  std::vector<base::UniqueFd> open_for_joining() const;
  bool can_freeze() const;
  bool is_frozen() const;
  void freeze() const;  // returns when all of it stands still; SYSTEM_ERROR when that does not come about
  void thaw() const;
  std::int64_t oom_kills() const;
  // Kills whatever is in them, waits until they are empty and removes them.
  void remove() const;

 private:
  void kill_all() const;
  std::vector<std::string> paths_;
};

class CgroupHost {
 public:
  // Looks for places below which groups can be made, by making one and running /bin/true in it.
  static CgroupHost detect();
  // A host where nothing can be limited, for this reason.
  static CgroupHost without(const std::string& reason);

  // Where the groups of a machine will be; `id` is unique on this host.
  MachineCgroups plan(const std::string& id) const;
  // By limit ("memory", "processes", "cpu", "suspend"): why it cannot be held. Absent: it can.
  const std::map<std::string, std::string>& unavailable() const { return unavailable_; }

 private:
  std::vector<std::filesystem::path> parents_;  // …/slipway in each hierarchy
  std::map<std::string, std::string> unavailable_;
};

}  // namespace slipway::providers::sandbox
