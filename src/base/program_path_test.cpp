#include "base/program_path.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace slipway::base {
namespace {

namespace fs = std::filesystem;

class ProgramPath : public ::testing::Test {
 protected:
  ProgramPath() {
    for (const char* name : {"a", "b"}) fs::create_directory(folder_ / name);
  }
  ~ProgramPath() override { fs::remove_all(folder_); }

  std::string make(const std::string& name, fs::perms perms = fs::perms::owner_all) {
    const auto path = folder_ / name;
    std::ofstream(path) << "#!/bin/sh\n";
    fs::permissions(path, perms);
    return path;
  }
  std::string path() const { return (folder_ / "a").string() + "::" + (folder_ / "b").string() + ":"; }

  static fs::path make_folder() {
    auto name = (fs::temp_directory_path() / "slipway-path-XXXXXX").string();
    return ::mkdtemp(name.data());
  }
  const fs::path folder_ = make_folder();
};

TEST_F(ProgramPath, TheFirstFolderThatHasTheProgramCounts) {
  const auto later = make("b/tool");
  EXPECT_EQ(find_program("tool", path()), later);
  const auto first = make("a/tool");
  EXPECT_EQ(find_program("tool", path()), first);
  EXPECT_EQ(find_program("other", path()), std::nullopt);
  EXPECT_EQ(find_program("tool", ""), std::nullopt);
}

TEST_F(ProgramPath, WhatCannotBeExecutedIsNoProgram) {
  make("a/text", fs::perms::owner_read);
  fs::create_directory(folder_ / "a/folder");
  for (const char* name : {"text", "folder", "", "."}) EXPECT_EQ(find_program(name, path()), std::nullopt) << name;
}

TEST_F(ProgramPath, FoldersThatAreNotAbsoluteDoNotCount) {
  const auto here = fs::relative(make("a/tool")).parent_path().string();
  EXPECT_EQ(find_program("tool", here), std::nullopt);
  EXPECT_EQ(find_program("tool", here + ":" + path()), (folder_ / "a/tool").string());
}

}  // namespace
}  // namespace slipway::base
