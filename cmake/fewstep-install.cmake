# SPDX-License-Identifier: Apache-2.0
# Installs the headers, a package for CMake and one for pkg-config. What is installed may be moved, unless its
# folders were given by absolute paths, and depends neither on the processor nor on FEWSTEP_NO_OPENMP, which whoever uses
# it decides.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/fewstep)
# CMake 3.25 takes an absolute destination of a file set for a relative one.
set(headers_dir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
cmake_path(RELATIVE_PATH headers_dir BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX})
install(TARGETS fewstep EXPORT fewstep-targets FILE_SET HEADERS DESTINATION ${headers_dir})
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
