#include "app/cli/local_tar.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/error.h"

namespace slipway::app::cli {

LocalTar LocalTar::pack(const std::filesystem::path& folder) {
  return LocalTar({"tar", "-C", folder.string(), "-cf", "-", "."}, STDOUT_FILENO);
}

LocalTar LocalTar::unpack(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) throw base::system_error("cannot make '" + folder.string() + "'", failure.value());
  // What comes out of a workspace is its owner's, not the user's of whom it says so; tar itself refuses to leave the
  // folder.
  return LocalTar({"tar", "-C", folder.string(), "--no-same-owner", "-xf", "-"}, STDIN_FILENO);
}

LocalTar::LocalTar(std::vector<std::string> arguments, int child_end) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw base::system_error("cannot make a pipe", errno);
  base::UniqueFd read_end(ends[0]), write_end(ends[1]);
  base::UniqueFd& theirs = child_end == STDIN_FILENO ? read_end : write_end;
  pipe_ = std::move(child_end == STDIN_FILENO ? write_end : read_end);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, child_end == STDIN_FILENO ? STDOUT_FILENO : STDIN_FILENO, "/dev/null",
                                     O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), child_end);
  posix_spawnattr_t attributes;  // SIGPIPE is ignored here; tar should die of it
  ::posix_spawnattr_init(&attributes);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  const int failure = ::posix_spawnp(&pid_, "tar", &actions, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) {
    pid_ = -1;
    throw base::system_error("cannot run tar", failure);
  }
}

LocalTar::~LocalTar() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  wait();
}

int LocalTar::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

void LocalTar::finish() {
  pipe_.reset();
  if (wait() != 0) throw base::Error(base::ErrorClass::user, "COPY_FAILED", "tar on this machine failed");
}

}  // namespace slipway::app::cli
