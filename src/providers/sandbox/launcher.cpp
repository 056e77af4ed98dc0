#include "providers/sandbox/launcher.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <thread>

#include "base/error.h"
#include "providers/sandbox/files.h"
#include "providers/sandbox/locks.h"
#include "providers/sandbox/machine_death.h"

namespace slipway::providers::sandbox {
namespace {

namespace fs = std::filesystem;

// The sandbox's end becomes its standard input, which reads as empty; ours goes to slirp4netns, which ends when the
// last process of the sandbox has closed the other.
struct Lifeline {
  Lifeline() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      throw base::system_error("make a socket", errno);
    }
    inside.reset(ends[0]);
    outside.reset(ends[1]);
    ::shutdown(outside.get(), SHUT_WR);
  }
  base::UniqueFd inside;
  base::UniqueFd outside;
};

base::Error failed(const MachineFolder& folder, const std::string& what) {
  const auto said = folder.console_tail();
  return base::Error(base::ErrorClass::internal, "SANDBOX_FAILED",
                     what + (said.empty() ? std::string() : "; it said: " + said));
}

// bwrap tells the first process's id and closes the pipe, in several writes; nothing when it failed before.
std::optional<int> read_child_pid(const base::UniqueFd& pipe, std::chrono::milliseconds timeout,
                                  const std::stop_token& stop) {
  constexpr int kSliceMs = 50;  // how soon a stop request is seen
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::string text;
  while (std::chrono::steady_clock::now() < deadline) {
    throw_if_stopped(stop);
    pollfd wait{pipe.get(), POLLIN, 0};
    if (::poll(&wait, 1, kSliceMs) <= 0) continue;
    std::array<char, 1024> buffer;
    const auto got = ::read(pipe.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), std::size_t(got));
  }
  std::erase(text, '\n');  // one document over several lines, unlike in the status file
  return parse_bwrap_status(text).child_pid;
}

// bwrap tells the process's id before it brings up the loopback of a network of its own. Whoever else brings it up
// first (slirp4netns does) makes bwrap fail: the address is there already. Its route is the last trace of bwrap's work
// on it.
void wait_for_loopback(const MachineFolder& folder, const ProcessId& init, std::chrono::milliseconds timeout,
                       const std::stop_token& stop) {
  constexpr auto kPause = std::chrono::milliseconds(1);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::string routes = "/proc/" + std::to_string(init.pid) + "/net/fib_trie";
  while (std::chrono::steady_clock::now() < deadline) {
    throw_if_stopped(stop);
    if (read_file(routes).find("127.0.0.1") != std::string::npos) return;
    if (!open_process(init)) break;
    std::this_thread::sleep_for(kPause);
  }
  throw failed(folder, "the sandbox's network did not come up");
}

// A new home begins as the host's administrator set up new homes to begin.
void make_home(const fs::path& home) {
  std::error_code error;
  if (fs::exists(home, error)) return;
  const fs::path unfinished = home.string() + ".new";
  remove_tree(unfinished);
  fs::copy("/etc/skel", unfinished, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  fs::create_directory(unfinished, error);
  if (::chmod(unfinished.c_str(), 0700) != 0 || ::rename(unfinished.c_str(), home.c_str()) != 0) {
    throw base::system_error("make the home " + home.string(), errno);
  }
}

std::string trimmed_number(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", number);
  return text.data();
}

// What the machine is held to, in words; for each limit that is not held, why.
std::map<std::string, std::string> describe_limits(const LaunchPlan& plan,
                                                   const std::map<std::string, std::string>& refused) {
  std::map<std::string, std::string> limits{
      {"memory", std::to_string(plan.type.memory_mb) + " MiB"},
      {"processes", std::to_string(plan.type.processes_max)},
      {"cpu", trimmed_number(plan.type.cpus) + (plan.type.cpus == 1 ? " processor" : " processors")},
      {"suspend", "possible"},
      {"network", plan.network.description},
  };
  for (const auto& [limit, reason] : plan.unavailable_limits) {
    limits[limit] = (limit == "suspend" ? "not possible: " : "not enforced: ") + reason;
  }
  for (const auto& [limit, reason] : refused) limits[limit] = "not enforced: " + reason;
  return limits;
}

void bring_up(const MachineFolder& folder, const LaunchPlan& plan, const base::Clock& clock,
              const std::stop_token& stop) {
  make_home(folder.home());
  folder.bound_console();
  const auto life_lock = try_lock(folder.life_lock());
  if (!life_lock)
    throw base::internal_error("the life lock of machine '" + plan.spec.name + "' is held by nobody known");

  // 1. What we are about to make is on record before it is made.
  LaunchRecord record{.boot_id = boot_id(), .cgroups = plan.cgroups.paths()};
  folder.write_launch(record);
  record.limits = describe_limits(plan, plan.cgroups.make(plan.type));
  const auto groups = plan.cgroups.open_for_joining();

  // 2. The process exists but runs nothing until its id is on record; it vanishes if we do.
  const auto gate = folder.open_new_gate();
  const auto status = folder.open_new_status();
  const auto console = folder.open_console();
  Pipe info;
  Lifeline lifeline;
  auto bwrap =
      bwrap_command(plan.bwrap, plan.spec, plan.type, {life_lock.get(), gate.get(), status.get(), info.write.get()});
  bwrap.command.stdout_fd = bwrap.command.stderr_fd = console.get();
  if (plan.network.kind == Network::isolated) bwrap.command.stdin_fd = lifeline.inside.get();
  for (const auto& group : groups) bwrap.command.cgroups.push_back(group.get());
  DetachedProcess process(bwrap.command);
  record.stage = LaunchStage::spawned;
  record.monitor = process.id();
  folder.write_launch(record);

  // 3. From here on it lives by itself, up to the gate, with the life lock as its own.
  process.release();
  info.write.reset();
  lifeline.inside.reset();
  const auto child = read_child_pid(info.read, plan.timeout, stop);
  const auto init = child ? identify(*child) : std::nullopt;
  if (!init) throw failed(folder, "the sandbox did not come up");
  record.init = *init;
  if (plan.network.kind == Network::isolated) {
    wait_for_loopback(folder, *init, plan.timeout, stop);
    start_slirp(folder, *init, lifeline.outside, plan.cgroups);
  }
  throw_if_stopped(stop);

  // 4. Complete on record first, then the gate: whoever finds it complete opens the gate again, to no harm.
  record.stage = LaunchStage::complete;
  record.started_at = clock.now();
  folder.write_launch(record);
  folder.open_gate();
}

}  // namespace

void launch(const MachineFolder& folder, const LaunchPlan& plan, const base::Clock& clock,
            const std::stop_token& stop) {
  try {
    bring_up(folder, plan, clock, stop);
  } catch (...) {
    const auto failure = std::current_exception();
    try {
      kill_and_clean(folder);
    } catch (const base::Error&) {
      // What is left is on record: the next operation on the machine meets it. The first failure is the one to tell.
    }
    std::rethrow_exception(failure);
  }
}

bool is_alive(const MachineFolder& folder, const LaunchRecord& record) {
  return record.boot_id == boot_id() && is_locked(folder.life_lock()) && open_process(record.monitor) &&
         open_process(record.init);
}

}  // namespace slipway::providers::sandbox
