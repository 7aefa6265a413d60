package peers

import (
	"bytes"
	"encoding/binary"
)

// greeting is what the program that is booted writes to the serial port.
const greeting = "booted from burrow\r\n"

// padding makes a program take several blocks.
const padding = 8 << 10

// biosProgram is a network bootstrap program: what firmware loads to 0000:7C00
// and runs. It writes the greeting to the first serial port and ends the
// machine through QEMU's isa-debug-exit, with status 33.
func biosProgram() []byte {
	code := []byte{
		0x31, 0xC0, 0x8E, 0xD8, // ds = 0
		0xBE, 0x1B, 0x7C, //       si = the greeting
		0xAC,       //             next: al = [si++]
		0x84, 0xC0, //             is it 0?
		0x74, 0x06, //             then go to end
		0xBA, 0xF8, 0x03, //       dx = COM1
		0xEE,       //             out dx, al
		0xEB, 0xF5, //             go to next
		0xBA, 0xF4, 0x00, //       end: dx = isa-debug-exit
		0xB0, 0x10, //             al = 16: status 2*16+1
		0xEE,       //             out dx, al
		0xF4,       //             hlt
		0xEB, 0xFD, //             again
	}
	return append(append(code, greeting...), make([]byte, padding)...)
}

// efiProgram does the same as an application for 64-bit UEFI firmware: a PE32+
// image of one section, which runs wherever it is loaded.
func efiProgram() []byte {
	code := []byte{
		0x48, 0x8D, 0x35, 0x16, 0, 0, 0, // rsi = the greeting, 22 bytes from here
		0x66, 0xBA, 0xF8, 0x03, //          dx = COM1
		0xAC,       //                      next: al = [rsi++]
		0x84, 0xC0, //                      is it 0?
		0x74, 0x03, //                      then go to end
		0xEE,       //                      out dx, al
		0xEB, 0xF8, //                      go to next
		0x66, 0xBA, 0xF4, 0x00, //          end: dx = isa-debug-exit
		0xB0, 0x10, //                      al = 16: status 2*16+1
		0xEE,       //                      out dx, al
		0xF4,       //                      hlt
		0xEB, 0xFD, //                      again
	}
	text := append(append(code, greeting...), make([]byte, padding-len(code)-len(greeting))...)
	const headers, page = 512, 4096 // what stands before the section in the file and in memory
	var b bytes.Buffer
	put := func(fields ...any) {
		for _, f := range fields {
			binary.Write(&b, binary.LittleEndian, f) // into memory: it cannot fail
		}
	}
	put([]byte("MZ"), make([]byte, 58), uint32(64)) // DOS header: where the next one is
	put([]byte("PE\x00\x00"), uint16(0x8664), uint16(1), make([]byte, 12), uint16(240), uint16(0x22))
	// The optional header of PE32+: entry point, base of code, image base, alignments.
	put(uint16(0x20B), uint16(0), uint32(len(text)), uint64(0), uint32(page), uint32(page), uint64(0), uint32(page), uint32(headers), make([]byte, 16))
	// Size of image and headers; subsystem: EFI application; no data directories in use.
	put(uint32(page+len(text)), uint32(headers), uint32(0), uint16(10), make([]byte, 38), uint32(16), make([]byte, 128))
	put([]byte(".text\x00\x00\x00"), uint32(len(text)), uint32(page), uint32(len(text)), uint32(headers), make([]byte, 12), uint32(0xE0000020))
	put(make([]byte, headers-b.Len()), text)
	return b.Bytes()
}
