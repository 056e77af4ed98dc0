#include "provisioner/leftovers.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "base/unique_fd.h"

namespace slipway::provisioner {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir("/proc"));
  if (!directory) return pids;
  while (const dirent* entry = ::readdir(directory.get()))
    if (const long pid = ::strtol(entry->d_name, nullptr, 10); pid > 1) pids.push_back(pid_t(pid));
  return pids;
}

std::string read_file(pid_t pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

struct Facts {
  char state = 'Z';
  pid_t session = -1;
};

// proc(5), /proc/pid/stat: fields 3 and 6, behind a name that may hold anything.
std::optional<Facts> facts_of(pid_t pid) {
  const std::string stat = read_file(pid, "stat");
  const auto end_of_name = stat.rfind(')');
  if (end_of_name == stat.npos) return std::nullopt;
  std::istringstream rest(stat.substr(end_of_name + 1));
  Facts facts;
  pid_t parent = 0, group = 0;
  rest >> facts.state >> parent >> group >> facts.session;
  if (!rest) return std::nullopt;
  return facts;
}

bool carries(pid_t pid, const std::string& variable) {
  const std::string environment = '\0' + read_file(pid, "environ");
  return environment.find('\0' + variable + '\0') != environment.npos;
}

bool is_leftover(pid_t pid, pid_t session, const std::string& variable) {
  if (pid == session || pid == ::getpid()) return false;
  const auto facts = facts_of(pid);
  if (!facts || facts->state == 'Z' || facts->state == 'X') return false;
  return facts->session == session || carries(pid, variable);
}

// By descriptors, so that no stranger is killed who got the number of one that has just gone.
std::vector<base::UniqueFd> kill_once(pid_t session, const std::string& variable) {
  std::vector<base::UniqueFd> killed;
  for (const pid_t pid : all_processes()) {
    if (!is_leftover(pid, session, variable)) continue;
    base::UniqueFd process(int(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process || !is_leftover(pid, session, variable)) continue;
    if (::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0) == 0) killed.push_back(std::move(process));
  }
  return killed;
}

}  // namespace

int end_leftovers(pid_t session, const std::string& mark) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::milliseconds(kLeftoversBoundMs);
  const std::string variable = std::string(kSessionMark) + '=' + mark;
  int count = 0;
  // Again until there is none: one may have started another before it was hit.
  while (Clock::now() < until) {
    const auto killed = kill_once(session, variable);
    if (killed.empty()) break;
    count += int(killed.size());
    for (const auto& process : killed) {
      pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      if (left > 0) ::poll(&ended, 1, int(left));
    }
  }
  return count;
}

}  // namespace slipway::provisioner
