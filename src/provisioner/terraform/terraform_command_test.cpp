#include "provisioner/terraform/terraform_command.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <thread>

#include "provisioner/terraform/testing/template_folder.h"

namespace slipway::provisioner::terraform {
namespace {

Command shell(const std::string& script) {
  return {
      .program = "/bin/sh", .arguments = {"-c", script}, .environment = {{"PATH", "/usr/bin:/bin"}}, .directory = "/"};
}

// Whether a process has ended, or is only a zombie that somebody else has to collect.
bool is_gone(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(status)), {});
  return text.empty() || text.substr(text.rfind(')') + 2, 1) == "Z";
}

TEST(TerraformCommand, LinesOfAnyLengthComeWholeAndInOrder) {
  std::vector<std::string> lines;
  const auto outcome =
      run_command(shell("echo one; head -c 3000000 /dev/zero | tr '\\0' x; echo; printf 'no end'; exit 3"),
                  {.on_line = [&](Stream, std::string_view line) { lines.emplace_back(line); }});
  EXPECT_EQ(outcome.exit_code, 3);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "one");
  EXPECT_EQ(lines[1], std::string(3'000'000, 'x'));
  EXPECT_EQ(lines[2], "no end");
}

TEST(TerraformCommand, ASlowReaderGetsEveryLine) {
  std::atomic<int> lines = 0;
  run_command(shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"),
              {.on_line = [&](Stream, std::string_view) {
                if (lines++ % 1000 == 0) std::this_thread::yield();
              }});
  EXPECT_EQ(lines, 20'000);
}

TEST(TerraformCommand, ACancelInterruptsTheWholeGroupOnce) {
  std::stop_source cancel;
  std::vector<std::string> lines;
  const auto outcome = run_command(
      shell("trap 'echo parent; exit 7' INT; sh -c \"trap 'echo child; exit' INT; echo ready; while :; do sleep 0.01; "
            "done\"; while :; do :; done"),
      {.on_line =
           [&](Stream, std::string_view line) {
             lines.emplace_back(line);
             if (line == "ready") cancel.request_stop();
           },
       .cancelled = cancel.get_token()});
  EXPECT_TRUE(outcome.interrupted);
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_EQ(lines, (std::vector<std::string>{"ready", "child", "parent"}));
}

TEST(TerraformCommand, WhoIgnoresTheInterruptIsKilledWithTheGroup) {
  std::stop_source cancel;
  pid_t grandchild = 0;
  const auto outcome = run_command(shell("trap '' INT TERM; sh -c 'echo $$; exec sleep 1000' & wait"),
                                   {.on_line =
                                        [&](Stream, std::string_view line) {
                                          grandchild = std::stoi(std::string(line));
                                          cancel.request_stop();
                                        },
                                    .cancelled = cancel.get_token(),
                                    .interrupt_bound = std::chrono::milliseconds(50)});
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.signal, SIGKILL);
  ASSERT_GT(grandchild, 0);
  while (!is_gone(grandchild)) std::this_thread::yield();
}

TEST(TerraformCommand, NothingOfTheGroupOutlivesIt) {
  pid_t left = 0;
  const auto outcome =
      run_command(shell("sleep 1000 & echo $!"),
                  {.on_line = [&](Stream, std::string_view line) { left = std::stoi(std::string(line)); }});
  EXPECT_TRUE(outcome.ok());
  ASSERT_GT(left, 0);
  while (!is_gone(left)) std::this_thread::yield();
}

TEST(TerraformCommand, AKillEndsItWhileItsReaderIsStuck) {
  std::stop_source kill;
  std::latch stuck(1), go(1);
  std::jthread killer([&] {
    stuck.wait();
    kill.request_stop();
    go.count_down();
  });
  bool first = true;
  const auto outcome = run_command(shell("yes"), {.on_line =
                                                      [&](Stream, std::string_view) {
                                                        if (!std::exchange(first, false)) return;
                                                        stuck.count_down();
                                                        go.wait();
                                                      },
                                                  .killed = kill.get_token()});
  EXPECT_EQ(outcome.signal, SIGKILL);
}

}  // namespace
}  // namespace slipway::provisioner::terraform
