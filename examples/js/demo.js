// What takes the most room here, and is any of it there twice? All files are read beside each other.
const files = []
const n = await walk(".", (path, size) => { files.push({path, size}) })
print(`${n} files, ${files.reduce((sum, f) => sum + f.size, 0)} bytes`)

files.sort((a, b) => b.size - a.size)
const largest = files.slice(0, 5)
const sums = await Promise.all(largest.map(f => sha256(f.path)))
largest.forEach((f, i) => print(sums[i].slice(0, 12), f.size, f.path))

// Errors of Go functions are exceptions here.
try {
	await read("no such file")
} catch (e) {
	print("as it should:", e.message)
}

// A promise of the script's own, and a timer.
await new Promise(done => setTimeout(done, 50))
return new Set(sums).size == largest.length ? "all different" : "some are alike"
