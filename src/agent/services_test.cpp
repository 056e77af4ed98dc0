// End to end: ports, files and ssh through the real agent program (issue 2 item 6; HUB-13).

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <fstream>

#include "agent/testing/world.h"
#include "net/testing/raw_client.h"

namespace slipway::agent {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using net::Awaitable;
using Tcp = boost::asio::ip::tcp;
using Acceptor = boost::asio::basic_socket_acceptor<Tcp, net::Executor>;
using Socket = boost::asio::basic_stream_socket<Tcp, net::Executor>;

const Tcp::endpoint kAnyPort(boost::asio::ip::address_v4::loopback(), 0);

class Services : public ::testing::Test {
 protected:
  Services() {
    world.start_hub();
    world.start_agent(SLIPWAY_AGENT_PROGRAM);
    world.run([&] { return world.agent_ready(); });
  }

  Finished run_to_end(OpenRequest request, std::string input = {}) {
    const auto client = world.client(std::move(request));
    Finished finished;
    world.run([&]() -> Awaitable<void> { finished = co_await finish(*client, std::move(input)); });
    return finished;
  }

  std::string refusal(OpenRequest request) {
    const auto client = world.client(std::move(request));
    std::string code;
    world.run([&]() -> Awaitable<void> {
      code = co_await code_of(client->open());
      co_await client->close();
    });
    return code;
  }

  std::string content(const std::string& name) {
    std::ifstream file(world.home() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  World world;
};

using Port = Services;
using Files = Services;
using Ssh = Services;

// ---- ports

Awaitable<void> echo_one(Acceptor& acceptor) {
  auto [failure, socket] = co_await acceptor.async_accept(net::use_result);
  std::array<char, 4096> bytes;
  for (;;) {
    const auto [ended, count] = co_await socket.async_read_some(boost::asio::buffer(bytes), net::use_result);
    if (ended) break;
    co_await boost::asio::async_write(socket, boost::asio::buffer(bytes, count), net::use_result);
  }
  co_await boost::asio::async_write(socket, boost::asio::buffer("bye", 3), net::use_result);
}

TEST_F(Port, CarriesBothDirectionsAndEachEnd) {
  Acceptor acceptor(world.io, kAnyPort);
  net::TaskGroup tasks(world.io, nullptr);
  const auto client = world.client(tcp(acceptor.local_endpoint().port()));
  world.run([&]() -> Awaitable<void> {
    tasks.spawn(echo_one(acceptor));
    const std::string sent(300'000, 'e');
    const Finished finished = co_await finish(*client, sent);
    EXPECT_EQ(finished.output, sent + "bye");
    EXPECT_EQ(finished.exit.code, 0);
    co_await tasks.join();
  });
}

TEST_F(Port, WithoutAListenerIsRefused) {
  const net::testing::RefusingPort nobody;
  EXPECT_EQ(refusal(tcp(nobody.number())), "PORT_REFUSED");
}

// ---- files

TEST_F(Files, UploadArrivesWholeWithItsMode) {
  const std::string bytes(1'000'000, 'u');
  EXPECT_EQ(run_to_end(upload("script", 0750), bytes).exit.code, 0);
  EXPECT_EQ(content("script"), bytes);
  struct stat facts;
  ASSERT_EQ(::stat((world.home() / "script").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0750u);
}

TEST_F(Files, BrokenUploadLeavesTheOldFileAndNothingElse) {
  std::ofstream(world.home() / "kept") << "old";
  const auto client = world.client(upload("kept"));
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    co_await client->write("half of the n");
    co_await client->close();
    // The half file goes in a moment; if it stayed, this would not end.
    for (std::string files; files != "kept\n";) {
      const auto other = world.client(exec({"ls", "-A"}));
      files = (co_await finish(*other)).output;
    }
  });
  EXPECT_EQ(content("kept"), "old");
}

TEST_F(Files, DownloadTellsTheFactsAndGivesTheBytes) {
  std::ofstream(world.home() / "report") << std::string(500'000, 'd');
  const auto client = world.client(download("report"));
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    const auto facts = co_await client->file_facts();
    EXPECT_TRUE(facts && !facts->directory && facts->size == 500'000);
    EXPECT_EQ(co_await read_all(*client), std::string(500'000, 'd'));
    EXPECT_EQ((co_await client->wait_exit()).code, 0);
    co_await client->close();
  });
}

TEST_F(Files, DirectoryComesAsATarAndGoesBackAsOne) {
  std::filesystem::create_directories(world.home() / "tree/deep");
  std::ofstream(world.home() / "tree/deep/leaf") << "green";
  const Finished archive = run_to_end(download("tree"));
  EXPECT_EQ(archive.exit.code, 0);
  auto back = upload("copy");
  back.files->directory = true;
  EXPECT_EQ(run_to_end(back, archive.output).exit.code, 0);
  EXPECT_EQ(content("copy/deep/leaf"), "green");
}

TEST_F(Files, WhatCannotBeReadOrWrittenIsRefusedWithItsReason) {
  std::filesystem::create_directories(world.home() / "folder");
  EXPECT_EQ(refusal(download("nothing-here")), "FILE_NOT_FOUND");
  EXPECT_EQ(refusal(download("/dev/zero")), "FILE_NOT_REGULAR");
  EXPECT_EQ(refusal(upload("/dev/full")), "FILE_NOT_REGULAR");
  EXPECT_EQ(refusal(upload("folder")), "FILE_IS_DIRECTORY");
  EXPECT_EQ(refusal(upload("no/such/folder/file")), "FILE_NOT_FOUND");
}

// ---- ssh

std::string own_user() {
  std::ifstream file("/etc/passwd");
  for (std::string line; std::getline(file, line);)
    if (line.find(":" + std::to_string(::geteuid()) + ":") != line.npos) return line.substr(0, line.find(':'));
  return "root";
}

// One ssh connection, from its socket to the workspace's sshd and back.
Awaitable<void> bridge(World& world, Acceptor& acceptor, std::string authorized_key) {
  auto [failure, socket] = co_await acceptor.async_accept(net::use_result);
  OpenRequest request{.kind = SessionKind::ssh};
  request.ssh = SshRequest{authorized_key};
  const auto client = world.client(std::move(request));
  co_await client->open();
  net::TaskGroup tasks(world.io, nullptr);
  const auto inward = [&client, &socket]() -> Awaitable<void> {
    std::array<char, 16384> bytes;
    for (;;) {
      const auto [ended, count] = co_await socket.async_read_some(boost::asio::buffer(bytes), net::use_result);
      if (ended) break;
      co_await client->write(std::string(bytes.data(), count));
    }
    co_await client->end_input();
  };
  tasks.spawn(inward());
  for (std::string bytes; !(bytes = co_await client->read(StreamId::output)).empty();)
    co_await boost::asio::async_write(socket, boost::asio::buffer(bytes), net::use_result);
  boost::system::error_code ignored;
  socket.shutdown(Socket::shutdown_both, ignored);
  co_await tasks.join();
  co_await client->close();
}

TEST_F(Ssh, PlainSshLogsInRunsACommandAndKnowsTheHostAgain) {
  if (::access("/usr/sbin/sshd", X_OK) != 0 || ::access("/usr/bin/ssh", X_OK) != 0) GTEST_SKIP() << "no OpenSSH here";
  const std::string key = world.folder / "key", known = world.folder / "known_hosts";
  ASSERT_EQ(std::system(("ssh-keygen -q -t ed25519 -N '' -f " + key).c_str()), 0);
  std::ifstream public_key(key + ".pub");
  std::string authorized;
  std::getline(public_key, authorized);

  Acceptor acceptor(world.io, kAnyPort);
  net::TaskGroup tasks(world.io, [](std::exception_ptr failure) { ADD_FAILURE() << base::as_error(failure).what(); });
  // The second time the host must be known already: its key stays in the home.
  for (const std::string check : {"accept-new", "yes"}) {
    world.run([&]() -> Awaitable<void> {
      tasks.spawn(bridge(world, acceptor, authorized));
      ChildReaper reaper(world.io, Orphans::left_alone);
      Process process =
          spawn({.program = "/usr/bin/ssh",
                 .arguments = {"ssh", "-F", "/dev/null", "-p", std::to_string(acceptor.local_endpoint().port()), "-i",
                               key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
                               "UserKnownHostsFile=" + known, "-o", "HostKeyAlias=workspace", "-o",
                               "StrictHostKeyChecking=" + check, own_user() + "@127.0.0.1", "echo from-inside; exit 5"},
                 .environment = {{"HOME", world.folder}, {"PATH", "/usr/bin:/bin"}},
                 .directory = world.folder});
      net::Signal ended(world.io);
      std::optional<int> status;
      reaper.watch(process.pid, [&](int value) {
        status = value;
        ended.notify_all();
      });
      process.input.reset();
      while (!status) co_await ended.wait();
      std::array<char, 4096> bytes{};
      (void)!::read(process.output.get(), bytes.data(), bytes.size());
      std::array<char, 4096> complaint{};
      (void)!::read(process.error.get(), complaint.data(), complaint.size() - 1);
      EXPECT_STREQ(bytes.data(), "from-inside\n") << complaint.data();
      EXPECT_EQ(exit_of_status(*status).code, 5);
      co_await tasks.join();
    });
  }
  // What a connection needed goes with it: only the credential stays. Without that, this would not end.
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(world.folder / "state"),
                         std::filesystem::directory_iterator());
  };
  world.run([&]() -> Awaitable<void> {
    while (files() > 1) co_await net::sleep_for(5ms);
  });
}

}  // namespace
}  // namespace slipway::agent
