#include "providers/sandbox/cgroups.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <functional>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "providers/sandbox/files.h"
#include "providers/sandbox/process.h"

namespace slipway::providers::sandbox {
namespace {

namespace fs = std::filesystem;
constexpr auto kPatience = std::chrono::seconds(10);  // for the kernel to kill, freeze or empty a group
constexpr auto kLookEvery = std::chrono::milliseconds(2);
constexpr const char* kOurFolder = "slipway";
constexpr std::int64_t kCpuPeriodUs = 100'000;

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
  return true;
}

bool is_there(const fs::path& path) { return ::access(path.c_str(), F_OK) == 0; }

// The number after `key` in a file of 'key value' lines.
std::int64_t keyed_number(const fs::path& path, std::string_view key) {
  std::istringstream lines(read_file(path));
  std::string name;
  std::int64_t value = 0;
  while (lines >> name >> value) {
    if (name == key) return value;
  }
  return 0;
}

std::vector<pid_t> members(const std::string& group) {
  std::istringstream words(read_file(group + "/cgroup.procs"));
  std::vector<pid_t> pids;
  for (pid_t pid = 0; words >> pid;) pids.push_back(pid);
  return pids;
}

// Groups without cgroup.kill: one by one. The second look makes sure that the pidfd is of a member.
void kill_members(const std::string& group) {
  for (const pid_t pid : members(group)) {
    const auto pidfd = open_pid(pid);
    const auto now = members(group);
    if (pid > 0 && pidfd && std::ranges::count(now, pid) > 0) send_signal(pidfd, SIGKILL);
  }
}

struct Setting {
  const char* limit;  // as it is named to people
  const char* file;   // one of these exists where the controller is
  std::string value;
  bool optional = false;  // the limit holds without it
};

std::vector<Setting> settings(const MachineType& type) {
  const auto bytes = std::to_string(type.memory_mb * 1024 * 1024);
  const auto quota = std::to_string(std::llround(type.cpus * double(kCpuPeriodUs)));
  const auto period = std::to_string(kCpuPeriodUs);
  return {
      {"memory", "memory.limit_in_bytes", bytes},
      {"memory", "memory.memsw.limit_in_bytes", bytes, true},  // version 1: memory and swap together
      {"memory", "memory.max", bytes},
      {"memory", "memory.swap.max", "0", true},
      {"processes", "pids.max", std::to_string(type.processes_max)},
      {"cpu", "cpu.cfs_period_us", period, true},
      {"cpu", "cpu.cfs_quota_us", quota},
      {"cpu", "cpu.max", quota + " " + period},
  };
}

// ---- finding a place

struct Hierarchy {
  bool unified = false;
  fs::path mount;
  fs::path own;  // the group that this process is in
};

// /proc/self/cgroup: "4:memory:/path", "0::/path". Keyed by the controller list, "" for the unified one.
std::map<std::string, std::string> own_groups() {
  std::map<std::string, std::string> groups;
  std::istringstream lines(read_file("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second != std::string::npos) groups[line.substr(first + 1, second - first - 1)] = line.substr(second + 1);
  }
  return groups;
}

// proc(5), mountinfo: … root mount-point … - type source options
std::vector<Hierarchy> hierarchies() {
  const auto groups = own_groups();
  std::vector<Hierarchy> found;
  std::istringstream lines(read_file("/proc/self/mountinfo"));
  for (std::string line; std::getline(lines, line);) {
    const auto dash = line.find(" - cgroup");
    if (dash == std::string::npos) continue;
    std::istringstream left(line), right(line.substr(dash + 3));
    std::string skip, root, mount, type, source, options;
    left >> skip >> skip >> skip >> root >> mount;
    right >> type >> source >> options;
    for (const auto& [controllers, path] : groups) {
      const bool unified = type == "cgroup2" && controllers.empty();
      const bool legacy =
          type == "cgroup" && !controllers.empty() && (options + ",").ends_with("," + controllers + ",");
      if (!unified && !legacy) continue;
      const bool below = root == "/" || path.starts_with(root);
      const auto relative = !below        ? ""
                            : root == "/" ? path.substr(1)
                                          : path.substr(std::min(root.size() + 1, path.size()));
      found.push_back({unified, mount, relative.empty() ? fs::path(mount) : fs::path(mount) / relative});
    }
  }
  return found;
}

// Which limits a group of this hierarchy can hold; the group was just made.
std::vector<std::string> abilities(const fs::path& group) {
  std::vector<std::string> able;
  const auto has = [&](const char* file) { return is_there(group / file); };
  if (has("memory.limit_in_bytes") || has("memory.max")) able.emplace_back("memory");
  if (has("pids.max")) able.emplace_back("processes");
  if (has("cpu.cfs_quota_us") || has("cpu.max")) able.emplace_back("cpu");
  if (has("freezer.state") || has("cgroup.freeze")) able.emplace_back("suspend");
  return able;
}

// Version 2: controllers reach a group only when every group above passes them on. Each for itself: some may be
// refused.
void pass_controllers_on(const fs::path& group) {
  for (const char* controller : {"+memory", "+pids", "+cpu"})
    write_control(group / "cgroup.subtree_control", controller);
}

bool can_join(const fs::path& group) {
  const auto procs = group / "cgroup.procs";
  const base::UniqueFd fd(::open(procs.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return false;
  Command nothing;
  nothing.argv = {"/bin/true"};
  nothing.cgroups = {fd.get()};
  try {
    return run(nothing, kPatience).exit_code == 0;
  } catch (const base::Error&) {
    return false;  // may not move itself there: this place is not for us
  }
}

// What a machine could be held to below this group; nothing when no group can be made or joined there.
std::vector<std::string> try_place(const Hierarchy& hierarchy, const fs::path& place) {
  const auto parent = place / kOurFolder;
  const auto probe = parent / ("probe-" + std::to_string(::getpid()) + "-" +
                               std::to_string(std::hash<std::thread::id>()(std::this_thread::get_id())));
  std::error_code error;
  if (hierarchy.unified) pass_controllers_on(place);
  if (!fs::create_directories(probe, error) && error) return {};
  if (hierarchy.unified) {
    pass_controllers_on(parent);  // before the first group below it is populated
  }
  auto able = abilities(probe);
  if (!able.empty() && !can_join(probe)) able.clear();
  eventually([&] { return ::rmdir(probe.c_str()) == 0 || errno != EBUSY; });
  ::rmdir(parent.c_str());  // stays while others use it
  return able;
}

std::vector<fs::path> places(const Hierarchy& hierarchy) {
  // Version 2 lets no group have both members and limited children, but the root of all: as root we go there.
  if (hierarchy.unified && ::geteuid() == 0) return {hierarchy.mount, hierarchy.own};
  std::vector<fs::path> list{hierarchy.own};
  if (hierarchy.own != hierarchy.mount) list.push_back(hierarchy.own.parent_path());
  return list;
}

}  // namespace

std::map<std::string, std::string> MachineCgroups::make(const MachineType& type) const {
  std::map<std::string, std::string> missed;
  for (const auto& path : paths_) {
    std::error_code error;
    // The parent is removed by whoever empties it, perhaps just now.
    const bool made =
        eventually([&] { return fs::create_directories(path, error) || !error || error.value() != ENOENT; });
    if (!made || error) throw base::system_error("make the control group " + path, error.value());
    pass_controllers_on(fs::path(path).parent_path());
    for (const auto& setting : settings(type)) {
      const auto file = fs::path(path) / setting.file;
      if (!is_there(file)) continue;
      const int failure = write_control(file, setting.value);
      if (failure != 0 && !setting.optional) missed[setting.limit] = std::generic_category().message(failure);
    }
  }
  return missed;
}

std::vector<base::UniqueFd> MachineCgroups::open_for_joining() const {
  std::vector<base::UniqueFd> open;
  for (const auto& path : paths_) open.push_back(open_file(path + "/cgroup.procs", O_WRONLY));
  return open;
}

bool MachineCgroups::can_freeze() const {
  return std::ranges::any_of(
      paths_, [](const auto& path) { return is_there(path + "/cgroup.freeze") || is_there(path + "/freezer.state"); });
}

bool MachineCgroups::is_frozen() const {
  return std::ranges::any_of(paths_, [](const auto& path) {
    return keyed_number(path + "/cgroup.events", "frozen") == 1 || read_file(path + "/freezer.state") == "FROZEN\n";
  });
}

void MachineCgroups::freeze() const {
  for (const auto& path : paths_) {
    const bool unified = is_there(path + "/cgroup.freeze");
    if (!unified && !is_there(path + "/freezer.state")) continue;
    const int failure =
        unified ? write_control(path + "/cgroup.freeze", "1") : write_control(path + "/freezer.state", "FROZEN");
    if (failure != 0) throw base::system_error("freeze the machine", failure);
    if (eventually([&] { return is_frozen(); })) return;  // one hierarchy suffices
    thaw();
    throw base::system_error("freeze the machine", ETIMEDOUT);
  }
}

void MachineCgroups::thaw() const {
  for (const auto& path : paths_) {
    if (is_there(path + "/cgroup.freeze")) write_control(path + "/cgroup.freeze", "0");
    if (is_there(path + "/freezer.state")) write_control(path + "/freezer.state", "THAWED");
  }
  if (!eventually([&] { return !is_frozen(); })) throw base::system_error("thaw the machine", ETIMEDOUT);
}

std::int64_t MachineCgroups::oom_kills() const {
  std::int64_t count = 0;
  for (const auto& path : paths_) {
    count += keyed_number(path + "/memory.oom_control", "oom_kill");
    count += keyed_number(path + "/memory.events", "oom_kill");
  }
  return count;
}

void MachineCgroups::kill_all() const {
  for (const auto& path : paths_) {
    // Version 1 delivers no signal to the frozen.
    if (is_there(path + "/freezer.state")) write_control(path + "/freezer.state", "THAWED");
    if (write_control(path + "/cgroup.kill", "1") != 0) kill_members(path);
  }
}

void MachineCgroups::remove() const {
  const bool emptied = eventually([&] {
    kill_all();
    return std::ranges::all_of(paths_, [](const auto& path) { return members(path).empty(); });
  });
  if (!emptied) throw base::system_error("kill the processes of the machine", ETIMEDOUT);
  for (const auto& path : paths_) {
    // The group stays busy for an instant after its last member was reaped.
    if (!eventually([&] { return ::rmdir(path.c_str()) == 0 || errno == ENOENT; })) {
      throw base::system_error("remove the control group " + path, EBUSY);
    }
    ::rmdir(fs::path(path).parent_path().c_str());  // succeeds when it was the last
  }
}

CgroupHost CgroupHost::detect() {
  CgroupHost host;
  const std::string reason =
      ::geteuid() == 0 ? "this host has no such control group controller"
                       : "this user was delegated no control group with that controller (run the hub as root, "
                         "or under systemd with Delegate=yes)";
  for (const char* limit : {"memory", "processes", "cpu", "suspend"}) host.unavailable_[limit] = reason;
  for (const auto& hierarchy : hierarchies()) {
    for (const auto& place : places(hierarchy)) {
      const auto able = try_place(hierarchy, place);
      if (able.empty()) continue;
      host.parents_.push_back(place / kOurFolder);
      for (const auto& limit : able) host.unavailable_.erase(limit);
      break;
    }
  }
  return host;
}

CgroupHost CgroupHost::without(const std::string& reason) {
  CgroupHost host;
  for (const char* limit : {"memory", "processes", "cpu", "suspend"}) host.unavailable_[limit] = reason;
  return host;
}

MachineCgroups CgroupHost::plan(const std::string& id) const {
  std::vector<std::string> paths;
  for (const auto& parent : parents_) paths.push_back((parent / id).string());
  return MachineCgroups(std::move(paths));
}

}  // namespace slipway::providers::sandbox
