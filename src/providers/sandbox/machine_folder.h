#pragma once
// What a sandbox keeps on disk, ROOT/NAME/, and the only code that knows the names of the files in it.
//
//   home/            the user's files; outlives everything but destroy
//   machine.json     what the machine is: type, labels. No secrets. Survives a crash of the host
//   launch.json      how it was started this time: control groups, processes. Absent when it was stopped
//   life.lock        held by the sandbox's first process as long as it lives (bwrap --sync-fd)
//   operation.lock   held by whoever works on the machine now
//   status.json      written by bwrap: the first process, later its exit code
//   gate             a named pipe at which the sandbox waits until it is recorded and its network stands
//   console.log      what the main process and bwrap print; bounded
//   network.log      what slirp4netns prints
//
// Not thread-safe against itself: writing is for the holder of the operation lock, reading is for everybody.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "providers/sandbox/process.h"

namespace slipway::providers::sandbox {

struct MachineRecord {
  std::string name;
  std::string machine_type;
  std::string image_tag;
  std::string zone;
  std::map<std::string, std::string> labels;
  base::Instant created_at;
};
SLIPWAY_JSON_SNAKE(MachineRecord, name, machine_type, image_tag, zone, labels, created_at)

enum class LaunchStage {
  prepared,  // control groups may exist; no process may run yet
  spawned,   // bwrap may run, but waits at the gate: nothing in the sandbox has begun
  complete,  // it is a machine: adopt it
  stopping,  // we are ending it: its death is no failure
};
BOOST_DESCRIBE_ENUM(LaunchStage, prepared, spawned, complete, stopping)

struct LaunchRecord {
  LaunchStage stage = LaunchStage::prepared;
  std::string boot_id;
  std::vector<std::string> cgroups;
  ProcessId monitor;  // the outer bwrap
  ProcessId init;     // process 1 of the sandbox
  std::map<std::string, std::string> limits;
  base::Instant started_at;
};
SLIPWAY_JSON_SNAKE(LaunchRecord, stage, boot_id, cgroups, monitor, init, limits, started_at)

// From bwrap's status file; pids and codes appear as it goes.
struct BwrapStatus {
  std::optional<int> child_pid;
  std::optional<int> exit_code;  // 128 + n when a signal ended the main process
};
BwrapStatus parse_bwrap_status(std::string_view text);

inline constexpr std::size_t kConsoleMaxBytes = 1024 * 1024;  // beyond it the log is cut to its last part
inline constexpr std::size_t kConsoleKeptBytes = 64 * 1024;
inline constexpr std::size_t kConsoleShownBytes = 512;  // in a failure's detail

class MachineFolder {
 public:
  MachineFolder(const std::filesystem::path& root, const std::string& name) : path_(root / name) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path home() const { return path_ / "home"; }
  std::filesystem::path life_lock() const { return path_ / "life.lock"; }
  std::filesystem::path operation_lock() const;
  bool exists() const;

  std::optional<MachineRecord> machine() const;
  void write_machine(const MachineRecord& record) const;
  // Empty when absent or unreadable (we were killed before it was whole: rename(2) makes that impossible but for a
  // crash of the host, after which nothing of it is true any more).
  std::optional<LaunchRecord> launch() const;
  void write_launch(const LaunchRecord& record) const;
  void forget_launch() const;  // and the status and the gate with it

  BwrapStatus status() const;
  base::UniqueFd open_new_status() const;
  base::UniqueFd open_new_gate() const;
  void open_gate() const;  // lets the sandbox run; without effect when it runs already
  base::UniqueFd open_console() const;
  base::UniqueFd open_network_log() const;
  std::string console_tail() const;
  std::string network_log_tail() const;
  void bound_console() const;

  // Takes the folder away: out of sight at once, then removed. What a crash leaves half removed is found by sweep.
  void destroy() const;
  // Removes what earlier destroys of this name left.
  static void sweep(const std::filesystem::path& root, const std::string& name);

 private:
  std::filesystem::path path_;
};

}  // namespace slipway::providers::sandbox
