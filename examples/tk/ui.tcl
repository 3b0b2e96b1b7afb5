# The window: Tcl's part. Commands that start with "go-" are Go's, see app.go.

wm title . "thumbs"
wm geometry . 888x600
wm minsize . 480 320
wm protocol . WM_DELETE_WINDOW go-quit
ttk::style theme use clam
ttk::style configure TProgressbar -background #4a90d9

ttk::frame .top -padding 6
ttk::label .top.dir -anchor w
ttk::button .top.reload -text "Reload" -command go-reload
ttk::button .top.cancel -text "Cancel" -command go-cancel -state disabled
pack .top.cancel .top.reload -side right -padx 2
pack .top.dir -side left -fill x -expand 1

ttk::frame .bottom -padding 6
ttk::progressbar .bottom.bar -length 220 -maximum 1
ttk::label .bottom.status -anchor w
pack .bottom.bar -side left -padx {0 8}
pack .bottom.status -side left -fill x -expand 1

ttk::frame .right -width 344 -padding 8
pack propagate .right 0
ttk::label .right.picture -anchor center
ttk::label .right.text -anchor w -wraplength 320 -justify left
pack .right.picture .right.text -side top -fill x

canvas .c -background white -highlightthickness 0 -yscrollcommand {.bar set}
ttk::scrollbar .bar -command {.c yview}

pack .top -side top -fill x
pack .bottom -side bottom -fill x
pack .right -side right -fill y
pack .bar -side right -fill y
pack .c -side left -fill both -expand 1

bind .c <Configure> arrange
bind .c <Button-4> {.c yview scroll -2 units}
bind .c <Button-5> {.c yview scroll 2 units}
bind .c <MouseWheel> {.c yview scroll [expr {%D > 0 ? -2 : 2}] units}
bind . <Escape> go-cancel

set cell(w) 128
set cell(h) 112
set shown 0

# clear takes all thumbnails away.
proc clear {} {
	global shown
	.c delete all
	foreach image [image names] {
		if {[string match thumb* $image]} {image delete $image}
	}
	set shown 0
	.c yview moveto 0
	.right.picture configure -image {}
	.right.text configure -text {}
	arrange
}

# add makes room for thumbnail number $i.
proc add {i name} {
	global shown
	.c create rectangle -48 -36 48 36 -outline #d8d8d8 -fill #f4f4f4 -tags [list cell$i box$i]
	.c create text 0 44 -anchor n -width 120 -text $name -tags [list cell$i name$i]
	.c bind cell$i <Button-1> [list go-open $i]
	set shown [expr {max($shown, $i + 1)}]
	place-cell $i
}

# draw shows thumbnail number $i, a picture in the format PPM.
proc draw {i data} {
	image create photo thumb$i -format PPM -data $data
	.c itemconfigure box$i -outline {} -fill {}
	lassign [center $i] x y
	.c create image $x $y -image thumb$i -tags [list cell$i image$i]
}

proc fail {i} {
	.c itemconfigure box$i -fill #fbe9e7 -outline #e0a8a0
	.c itemconfigure name$i -fill #b71c1c
}

# preview shows a picture in large.
proc preview {data text} {
	image create photo preview -format PPM -data $data
	.right.picture configure -image preview
	.right.text configure -text $text
}

proc center {i} {
	global cell
	set columns [expr {max(1, [winfo width .c] / $cell(w))}]
	return [list [expr {$i % $columns * $cell(w) + $cell(w) / 2}] [expr {$i / $columns * $cell(h) + 44}]]
}

# place-cell moves a new cell, which is at 0,0, where it belongs.
proc place-cell {i} {
	lassign [center $i] x y
	.c move cell$i $x $y
}

# arrange puts all cells where they belong in a window of this width.
proc arrange {} {
	global shown cell
	for {set i 0} {$i < $shown} {incr i} {
		lassign [center $i] x y
		lassign [.c coords name$i] oldX oldY
		.c move cell$i [expr {$x - $oldX}] [expr {$y + 44 - $oldY}]
	}
	set columns [expr {max(1, [winfo width .c] / $cell(w))}]
	.c configure -scrollregion [list 0 0 [winfo width .c] [expr {($shown + $columns - 1) / $columns * $cell(h) + 8}]]
}
