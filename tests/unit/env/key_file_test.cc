#include "juxmem/env/key_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "juxmem/env/admitted_keys.h"
#include "tests/unit/env/temp_dir.h"

namespace juxmem {
namespace {

class KeyFileTest : public testing::Test {
 protected:
  std::string in_folder(const char* name) const { return temp_.path() + "/" + name; }
  void write(const std::string& path, const std::string& text) const {
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
  }
  Error error_of(const std::string& path) const {
    const auto key = load_key_file(path);
    EXPECT_FALSE(key);
    return key ? Error{} : key.error();
  }

  TempDir temp_;
};

TEST(KeyFile, LibraryCanEncrypt) { EXPECT_TRUE(has_encryption()); }

TEST_F(KeyFileTest, WrittenKeyIsReadAgain) {
  const KeyFile grid = new_grid_key();
  ASSERT_TRUE(write_key_file(in_folder("grid.key"), grid));
  const auto read = load_key_file(in_folder("grid.key"));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_TRUE(read->is_grid_key());
  EXPECT_EQ(read->secret_key, grid.secret_key);
  const KeyFile user = new_user_key("alice", grid.grid);
  ASSERT_TRUE(write_key_file(in_folder("alice.key"), user));
  const auto alice = load_key_file(in_folder("alice.key"));
  ASSERT_TRUE(alice);
  EXPECT_FALSE(alice->is_grid_key());
  EXPECT_EQ(alice->name, "alice");
  EXPECT_EQ(alice->grid, grid.public_key);
}

TEST_F(KeyFileTest, KeyThatOthersMayReadIsRefused) {
  const std::string path = in_folder("grid.key");
  ASSERT_TRUE(write_key_file(path, new_grid_key()));
  for (const mode_t mode : {0640, 0604, 0620}) {
    ::chmod(path.c_str(), mode);
    EXPECT_EQ(error_of(path).code, Code::kInvalid);
    EXPECT_NE(error_of(path).detail.find("chmod 600"), std::string::npos) << error_of(path).detail;
  }
}

TEST_F(KeyFileTest, KeyIsNeverOverwritten) {
  const std::string path = in_folder("grid.key");
  ASSERT_TRUE(write_key_file(path, new_grid_key()));
  EXPECT_EQ(write_key_file(path, new_grid_key()).error().code, Code::kIo);
}

TEST_F(KeyFileTest, WhatIsNoKeyIsNamed) {
  const KeyFile key = new_user_key("alice", new_grid_key().grid);
  EXPECT_EQ(error_of(in_folder("nothing")).code, Code::kNotFound);
  EXPECT_EQ(error_of(temp_.path()).code, Code::kInvalid);
  const auto problem = [&](const std::string& text) {
    write(in_folder("some.key"), text);
    const Error error = error_of(in_folder("some.key"));
    EXPECT_EQ(error.code, Code::kInvalid);
    EXPECT_EQ(error.detail.find(key.secret_key), std::string::npos) << "a secret is in a text";
    return error.detail;
  };
  const std::string good = public_part(key);
  EXPECT_NE(problem("").find("'grid'"), std::string::npos);
  EXPECT_NE(problem(std::string(5000, 'x')).find("too large"), std::string::npos);
  EXPECT_NE(problem(good).find("'secret'"), std::string::npos);
  EXPECT_NE(problem(good + "secret " + new_grid_key().secret_key + "\n").find("'secret'"), std::string::npos);
  EXPECT_NE(problem("name a/b\n" + good.substr(good.find("grid"))).find("'name'"), std::string::npos);
  EXPECT_NE(problem("name grid\n" + good.substr(good.find("grid"))).find("'name'"), std::string::npos);
}

TEST_F(KeyFileTest, PublicPartHasNoSecretAndIsEnoughForOthers) {
  const KeyFile key = new_user_key("alice", new_grid_key().grid);
  EXPECT_EQ(public_part(key).find(key.secret_key), std::string::npos);
  write(in_folder("alice.pub"), public_part(key));
  const auto read = load_public_key(in_folder("alice.pub"));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->name, "alice");
  EXPECT_EQ(read->key, key.public_key);
  EXPECT_EQ(error_of(in_folder("alice.pub")).code, Code::kInvalid);
}

TEST(UserName, OnlyPlainOnesAreNames) {
  for (const char* good : {"alice", "a", "A.b_c@d-9"}) EXPECT_TRUE(is_user_name(good)) << good;
  for (const char* bad : {"", ".", "..", ".a", "a/b", "a b", "grid", "\xc3\xa9"}) EXPECT_FALSE(is_user_name(bad)) << bad;
  EXPECT_FALSE(is_user_name(std::string(65, 'a')));
}

TEST_F(KeyFileTest, AdmittedUsersAreThoseInTheFolder) {
  const AdmittedKeys admitted(admitted_folder_of(in_folder("grid.key")));
  EXPECT_TRUE(admitted.read()->empty());
  const KeyFile alice = new_user_key("alice", new_grid_key().grid);
  ASSERT_TRUE(admitted.admit("alice", alice.public_key));
  ASSERT_TRUE(admitted.admit("bob", new_grid_key().public_key));
  ASSERT_EQ(admitted.read()->size(), 2U);
  EXPECT_EQ(admitted.read()->at(alice.public_key), "alice");
  ASSERT_TRUE(admitted.revoke("alice"));
  EXPECT_EQ(admitted.revoke("alice").error().code, Code::kNotFound);
  EXPECT_EQ(admitted.revoke("../grid.key").error().code, Code::kInvalid);
  EXPECT_EQ(admitted.read()->size(), 1U);
}

TEST_F(KeyFileTest, FolderThatOthersMayChangeAdmitsNobody) {
  const AdmittedKeys admitted(in_folder("keys"));
  ASSERT_TRUE(admitted.admit("alice", new_grid_key().public_key));
  ::chmod(admitted.folder().c_str(), 0770);
  EXPECT_EQ(admitted.read().error().code, Code::kInvalid);
}

}  // namespace
}  // namespace juxmem
