# SPDX-License-Identifier: Apache-2.0
# Installs the headers, a package for CMake and one for pkg-config. What is installed may be moved, unless its
# folders were given by absolute paths, and depends neither on the processor nor on FEWSTEP_NO_OPENMP, which whoever uses
# it decides.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/fewstep)
target_include_directories(fewstep INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS fewstep EXPORT fewstep-targets)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.hpp PATTERN *.cuh)
install(EXPORT fewstep-targets NAMESPACE fewstep:: DESTINATION ${package_dir})
write_basic_package_version_file(fewstep-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES cmake/fewstep-config.cmake cmake/fewstep-components.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/fewstep-config-version.cmake DESTINATION ${package_dir})

set(includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}" AND NOT IS_ABSOLUTE "${CMAKE_INSTALL_DATADIR}")
  cmake_path(RELATIVE_PATH includedir BASE_DIRECTORY ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig)
  set(includedir "\${pcfiledir}/${includedir}")
endif()
configure_file(cmake/fewstep.pc.in fewstep.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fewstep.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)

install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
