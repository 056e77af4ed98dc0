#include "providers/sandbox/machine_death.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <iterator>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "providers/sandbox/cgroups.h"
#include "providers/sandbox/files.h"
#include "providers/sandbox/locks.h"

namespace slipway::providers::sandbox {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;
constexpr auto kKillPatience = std::chrono::seconds(10);  // from SIGKILL to the end; a process may hang in the kernel
constexpr auto kLookEvery = std::chrono::milliseconds(2);

bool of_this_boot(const LaunchRecord& launch) { return launch.boot_id == boot_id(); }

// The first process as it is known best: from our record, else from what bwrap wrote itself.
base::UniqueFd open_init(const MachineFolder& folder, const LaunchRecord& launch) {
  if (launch.init.pid != 0) return open_process(launch.init);
  const auto written = folder.status().child_pid;
  // Only a child of the bwrap that we started can be it; a number alone may long be somebody else's.
  if (!written || !open_process(launch.monitor)) return {};
  for (const pid_t child : children_of(pid_t(launch.monitor.pid))) {
    if (child != *written) continue;
    if (const auto found = identify(child)) return open_process(*found);
  }
  return {};
}

bool holds_file(const fs::path& process, const struct stat& file) {
  std::error_code error;
  for (fs::directory_iterator entry(process / "fd", error), end; !error && entry != end; entry.increment(error)) {
    struct stat open{};
    if (::stat(entry->path().c_str(), &open) == 0 && open.st_ino == file.st_ino && open.st_dev == file.st_dev)
      return true;
  }
  return false;
}

// Hubs open the lock's file too, to test it; only processes in a namespace below ours are of a sandbox.
bool is_in_inner_pid_namespace(const fs::path& process) {
  std::istringstream lines(read_file(process / "status"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("NSpid:")) continue;
    std::istringstream words(line.substr(6));
    return std::distance(std::istream_iterator<std::string>(words), {}) > 1;
  }
  return false;
}

bool is_of_sandbox(const fs::path& process, const struct stat& life_lock) {
  return is_in_inner_pid_namespace(process) && holds_file(process, life_lock);
}

// The last resort, when the records know of nobody and yet the life lock is held: whoever in a sandbox has its file
// open. Happens when the outer bwrap was killed in the instant between making the first process and telling of it.
void kill_holders_of_life_lock(const MachineFolder& folder) {
  struct stat file{};
  if (::stat(folder.life_lock().c_str(), &file) != 0) return;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    if (!is_of_sandbox(entry->path(), file)) continue;
    const auto pidfd = open_pid(pid);
    if (pidfd && is_of_sandbox(entry->path(), file)) send_signal(pidfd, SIGKILL);
  }
}

void kill_processes(const MachineFolder& folder, const LaunchRecord& launch) {
  const auto deadline = SteadyClock::now() + kKillPatience;
  const auto monitor = open_process(launch.monitor);
  const auto init = open_init(folder, launch);
  send_signal(init, SIGKILL);  // with it the kernel kills all that it started
  send_signal(monitor, SIGKILL);
  const bool ended = wait_for_exit(init, deadline, {}) && wait_for_exit(monitor, deadline, {});
  // A moment for the kernel to close the last descriptors, before anybody is looked for.
  for (auto look = SteadyClock::now() + 50 * kLookEvery; is_locked(folder.life_lock()) && SteadyClock::now() < look;) {
    std::this_thread::sleep_for(kLookEvery);
  }
  while (is_locked(folder.life_lock())) {
    kill_holders_of_life_lock(folder);
    if (!ended || SteadyClock::now() >= deadline)
      throw base::system_error("kill the processes of the machine", ETIMEDOUT);
    std::this_thread::sleep_for(kLookEvery);
  }
}

// Process 2 of the sandbox: bwrap's first process starts only that one; later children are orphans that came to it.
base::UniqueFd open_main_process(const LaunchRecord& launch) {
  if (!open_process(launch.init)) return {};
  const auto children = children_of(pid_t(launch.init.pid));
  const auto found = children.empty() ? std::nullopt : identify(children.front());
  return found ? open_process(*found) : base::UniqueFd();
}

// Before anything is done to it, so that its death is never taken for a failure.
void announce_end(const MachineFolder& folder, LaunchRecord launch) {
  if (launch.stage == LaunchStage::stopping) return;
  launch.stage = LaunchStage::stopping;
  folder.write_launch(launch);
}

}  // namespace

void end_gracefully(const MachineFolder& folder, std::chrono::milliseconds grace, const std::stop_token& stop) {
  const auto launch = folder.launch();
  if (!launch || !of_this_boot(*launch)) return;
  announce_end(folder, *launch);
  MachineCgroups(launch->cgroups).thaw();
  const auto init = open_process(launch->init);
  const auto main = open_main_process(*launch);
  if (!init || !main) return;
  send_signal(main, SIGTERM);
  wait_for_exit(init, SteadyClock::now() + grace, stop);
}

void kill_and_clean(const MachineFolder& folder) {
  if (const auto launch = folder.launch()) {
    if (of_this_boot(*launch)) {
      announce_end(folder, *launch);
      const MachineCgroups cgroups(launch->cgroups);
      cgroups.thaw();  // version 1 delivers no signal to the frozen
      kill_processes(folder, *launch);
      cgroups.remove();
    }
  } else if (is_locked(folder.life_lock())) {
    kill_processes(folder, {});
  }
  folder.forget_launch();
}

std::string describe_death(const MachineFolder& folder, const LaunchRecord& launch) {
  constexpr int kSignalBase = 128;  // as bwrap and shells report a signal
  // The sandbox is gone before the outer bwrap has written how: that one ends right after it has.
  constexpr auto kEpitaphPatience = std::chrono::seconds(1);
  wait_for_exit(open_process(launch.monitor), SteadyClock::now() + kEpitaphPatience, {});
  const auto code = folder.status().exit_code;
  std::string text = "it was killed from outside";
  if (code && *code > kSignalBase) {
    const int number = *code - kSignalBase;
    const char* name = ::sigabbrev_np(number);
    text = "its main process was ended by signal " + std::to_string(number);
    if (name != nullptr) text += std::string(" (SIG") + name + ")";
  } else if (code) {
    text = "its main process ended with exit code " + std::to_string(*code);
  }
  if (const auto kills = MachineCgroups(launch.cgroups).oom_kills(); kills > 0) {
    text += "; out of memory: the kernel killed " + std::to_string(kills) + (kills == 1 ? " process" : " processes");
  }
  if (const auto tail = folder.console_tail(); !tail.empty()) text += "; it last printed: " + tail;
  return text;
}

}  // namespace slipway::providers::sandbox
