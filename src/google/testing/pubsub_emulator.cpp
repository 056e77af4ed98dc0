#include "google/testing/pubsub_emulator.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "base/unique_fd.h"

namespace slipway::google::testing {
namespace {

const std::filesystem::path kProgram = "/usr/lib/google-cloud-sdk/platform/pubsub-emulator/bin/cloud-pubsub-emulator";
constexpr std::chrono::seconds kPatience{120};  // a JVM, beside other tests

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(std::uint16_t(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int free_port() {
  const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto address = loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

}  // namespace

bool PubsubEmulator::is_installed() { return std::filesystem::exists(kProgram); }

PubsubEmulator::PubsubEmulator() : port_(free_port()) {
  const auto port = "--port=" + std::to_string(port_);
  const pid_t parent = ::getpid();
  group_ = ::fork();
  if (group_ < 0) throw std::runtime_error("fork failed");
  if (group_ == 0) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, fd);
    ::execl(kProgram.c_str(), kProgram.c_str(), "--host=127.0.0.1", port.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::setpgid(group_, group_);
  for (const auto until = std::chrono::steady_clock::now() + kPatience; !listens();) {
    if (std::chrono::steady_clock::now() > until || ::waitpid(group_, nullptr, WNOHANG) == group_)
      throw std::runtime_error("the Pub/Sub emulator does not start");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

PubsubEmulator::~PubsubEmulator() {
  ::kill(-group_, SIGKILL);
  ::waitpid(group_, nullptr, 0);
}

bool PubsubEmulator::listens() const {
  const base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = loopback(port_);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace slipway::google::testing
