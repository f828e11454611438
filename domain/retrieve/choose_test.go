package retrieve

import (
	"fmt"
	"strings"
	"testing"

	"bitb/domain"
)

// found makes a passage of a document with a text of its own.
func found(doc byte, ordinal int, score float64, text string) Passage {
	return Passage{ChunkID: domain.ID{doc, byte(ordinal)}, DocumentID: domain.ID{doc}, Version: 1, Ordinal: ordinal, Score: score, Text: text,
		PageFrom: ordinal, PageTo: ordinal, Tokens: 10}
}

func fates(passages []Passage) string {
	var out []string
	for _, p := range passages {
		out = append(out, string(p.Lost))
	}
	return strings.Join(out, ",")
}

func TestChoose(t *testing.T) {
	long := "Boats are returned to the jetty by seven in the evening on the day for which they were booked, and whoever is late pays for each hour that has begun. "
	text := func(i int) string { return strings.Repeat(fmt.Sprintf("w%cx ", 'a'+i), 12) }
	chinese := "您可以在收到商品后七天内申请退货。商品须保持完好，并附上购买凭证和原包装。退款将在我们收到退回的商品以后原路返回到您的账户。"
	thai := "ลูกค้าสามารถคืนสินค้าได้หลังจากได้รับสินค้า โปรดแนบใบเสร็จและบรรจุภัณฑ์เดิม "
	usual := Settings{Threshold: .3, Limit: 3, Duplicates: true, Neighbours: true}
	for name, c := range map[string]struct {
		settings Settings
		passages []Passage
		want     string
	}{
		"threshold and limit": {usual, []Passage{found(1, 1, .9, text(0)), found(2, 1, .8, text(1)), found(3, 1, .7, text(2)), found(4, 1, .6, text(3)), found(5, 1, .29, text(4))}, ",,,limit,threshold"},
		"a duplicate makes room": {usual, []Passage{found(1, 1, .9, long+"Call us."), found(2, 1, .8, long), found(3, 1, .7, text(1)), found(4, 1, .6, text(2))},
			",duplicate,,"},
		"another number is no duplicate": {usual, []Passage{found(1, 1, .9, long+"It costs 9 euros."), found(2, 1, .8, long+"It costs 12 euros.")}, ","},
		"a duplicate without spaces":     {usual, []Passage{found(1, 1, .9, chinese+"运费由买家承担。"), found(2, 1, .8, chinese+"运费由买方承担。"), found(3, 1, .7, thai+"ค่าส่งฟรี"), found(4, 1, .6, thai+"ค่าส่งถูก")}, ",duplicate,,duplicate"},
		"another text without spaces":    {usual, []Passage{found(1, 1, .9, chinese), found(2, 1, .8, strings.Replace(chinese, "商品须保持完好，并附上购买凭证和原包装。", "请提前联系客服，并说明您不满意的具体原因。", 1))}, ","},
		"another number in letters":      {usual, []Passage{found(1, 1, .9, chinese), found(2, 1, .8, strings.Replace(chinese, "七天", "八天", 1))}, ","},
		"duplicates are kept if so set":  {Settings{Limit: 8}, []Passage{found(1, 1, .9, long), found(2, 1, .8, long)}, ","},
		"neighbours on both sides":       {usual, []Passage{found(1, 5, .9, text(0)), found(1, 6, .8, text(1)), found(1, 4, .7, text(2)), found(1, 7, .6, text(3))}, ",joined,joined,limit"},
		"not across documents":           {usual, []Passage{found(1, 5, .9, text(0)), found(2, 6, .8, text(1))}, ","},
		"not beyond three":               {Settings{Limit: 8, Neighbours: true}, []Passage{found(1, 5, .9, text(0)), found(1, 6, .8, text(1)), found(1, 7, .7, text(2)), found(1, 8, .6, text(3))}, ",joined,joined,"},
		"nothing":                        {usual, nil, ""},
	} {
		choose(c.passages, c.settings)
		if got := fates(c.passages); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What neighbours repeat of each other stands once in what they are joined to.
func TestJoinedText(t *testing.T) {
	passages := []Passage{found(1, 2, .9, "and ends in the middle. The second goes on. It has an end."), found(1, 1, .8, "The first begins and ends in the middle."), found(1, 3, .7, "The third.")}
	choose(passages, Settings{Limit: 8, Neighbours: true})
	p := passages[0]
	if want := "The first begins and ends in the middle. The second goes on. It has an end.\n\nThe third."; p.Text != want {
		t.Errorf("joined to %q", p.Text)
	}
	if p.PageFrom != 1 || p.PageTo != 3 || p.Tokens != 30 || passages[1].Into != p.ChunkID {
		t.Errorf("%+v", passages)
	}
}

func TestCorrected(t *testing.T) {
	r := Retrieval{Words: []Word{{Text: "Depsit", Spelled: []string{"deposit", "deposits"}}, {Text: "bike"}, {Text: "polcy", Spelled: []string{"policy"}}}}
	for text, want := range map[string]string{
		"Depsit for a bike, (polcy)?": "deposit for a bike, (policy)?", "Depsits, polcy": "Depsits, policy", "": "", "\xff polcy": "\xff policy",
	} {
		if got := r.Corrected(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
